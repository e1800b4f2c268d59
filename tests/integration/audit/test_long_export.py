"""04.4, 04.1: an export of many pages is whole, in order and bounded in memory; how it ended is in the log, however.

Two of them run at once for a client, and a third is told to come later.
"""

import json
import socket
import ssl
import time
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from audit import store
from audit.delivery import EXPORT_PAGE, EXPORT_RESOURCES, EXPORTS
from events.access import AccessEvent, Action, Actor, Resource, new_salt
from events.uuid7 import uuid7
from support.hotel import Hotel, activate, expect, gateway, invite
from support.machine import Machine, wait_until
from support.workload import door

COUNT = 30 * EXPORT_PAGE + 7  # 16 MB: the buffers between service and reader hold 11
LONG_AGO = datetime.now(UTC) - timedelta(days=40)


def _event(hotel: Hotel, number: int, actor: str, *resources: Resource) -> AccessEvent:
    at = LONG_AGO + timedelta(milliseconds=number)
    return AccessEvent(
        event_id=uuid7(at),
        occurred_at=at,
        service="tenant_data",
        client_id=hotel.client_id,
        actor=Actor(type="user", id=actor, label="=cmd"),
        user_agent="a browser of some length " * 10,
        action=Action.GUEST_READ,
        resources=resources,
        ip="203.0.113.7",
        request_id=str(number),
        salt=new_salt(),
    )


async def _stored(stack: Machine, events: list[AccessEvent]) -> list[str]:
    """Their ids, newest first."""
    async with door(stack, "audit") as audit, audit.pools.job.acquire() as connection, connection.transaction():
        assert await store.insert_events(connection, events) == len(events)
    return [str(event.event_id) for event in reversed(events)]


@pytest.fixture(scope="module")
async def old_events(stack: Machine, otter: Hotel) -> list[str]:
    return await _stored(stack, [_event(otter, n, "long-export") for n in range(COUNT)])


EXPORT = "/v1/access-events/export"
ASKED = {"format": "jsonl", "actor_id": "long-export"}


def reading(hotel: Hotel) -> AbstractContextManager[httpx2.Response]:
    """An export of all the old events, of which nothing is read yet."""
    return hotel.http.stream("GET", EXPORT, params=ASKED, headers={"Authorization": f"Bearer {hotel.admin.token}"})


def test_every_event_once_newest_first(otter: Hotel, old_events: list[str]) -> None:
    text = otter.admin.get(EXPORT, params=ASKED).text
    assert [json.loads(line)["id"] for line in text.splitlines()] == old_events


async def test_events_of_many_resources_are_whole(stack: Machine, otter: Hotel) -> None:
    """A page ends early with them: before an event, never inside one."""
    many = [Resource(type="guest", id=str(uuid7())) for _ in range(EXPORT_RESOURCES // 10)]
    stored = await _stored(stack, [_event(otter, n, "many-resources", *many) for n in range(33)])
    entries = [json.loads(line) for line in _whole(otter, "many-resources").text.splitlines()]
    assert [entry["id"] for entry in entries] == stored
    assert {len(entry["resources"]) for entry in entries} == {len(many)}


def _whole(hotel: Hotel, actor_id: str) -> httpx2.Response:
    return hotel.admin.get(EXPORT, params={**ASKED, "actor_id": actor_id})


def test_the_admission_is_in_the_log_before_the_first_byte(otter: Hotel, old_events: list[str]) -> None:
    with reading(otter) as answer:
        assert otter.event(answer.headers["Access-Event"])["action"] == "access_event:export"


def test_given_up_midway_it_holds_no_connection(stack: Machine, otter: Hotel, old_events: list[str]) -> None:
    for _ in range(20):  # more than the pool has
        wait_until(lambda: _is_given_up(otter), within=5)
    wait_until(lambda: otter.admin.get("/v1/access-events").status_code == 200, within=5)
    assert len(otter.log(actor_id="long-export", action="guest:read")) == COUNT


def _is_given_up(hotel: Hotel) -> bool:
    """Whether one was begun and left: the place of the one before it is free a moment after its reader left."""
    with reading(hotel) as answer:
        if answer.status_code == 429:
            return False
        expect(answer, 200)
        return bool(next(answer.iter_raw(100)))


class TestPlaces:
    def test_a_third_of_one_client_comes_later(self, otter: Hotel, heron: Hotel, old_events: list[str]) -> None:
        wait_until(lambda: _whole(otter, "nobody").status_code == 200, within=5)
        with ExitStack() as held:
            for _ in range(EXPORTS.of_one):
                expect(held.enter_context(reading(otter)), 200)
            refused = expect(_whole(otter, "nobody"), 429)
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert refused.json()["type"] == "/problems/too-many"
            assert int(refused.headers["Retry-After"]) > 0
            assert "Access-Event" not in refused.headers
            expect(_whole(heron, "nobody"), 200)
        wait_until(lambda: _whole(otter, "nobody").status_code == 200, within=5)

    def test_one_that_is_refused_takes_none(self, otter: Hotel) -> None:
        for _ in range(EXPORTS.of_one + 1):
            expect(otter.agent.get(EXPORT, params=ASKED), 403)
            expect(otter.admin.get(EXPORT, params={"format": "none"}), 422)
        expect(_whole(otter, "nobody"), 200)


def outcome(hotel: Hotel, admission: str, *, within: float = 15) -> dict[str, Any]:
    """The event that says how the export of this admission ended."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        events = hotel.log(resource_type="export", resource_id=admission)
        ended = [event for event in events if event["id"] != admission]
        if ended:
            assert len(ended) == 1
            assert ended[0]["action"] == "access_event:export"
            assert ended[0]["actor"] == hotel.event(admission)["actor"]
            found: dict[str, Any] = ended[0]
            return found
        time.sleep(0.2)
    raise AssertionError(f"no outcome of export {admission} within {within:g} s")


def rows(event: dict[str, Any]) -> int:
    return int(next(resource["id"] for resource in event["resources"] if resource["type"] == "rows"))


class TestOutcome:
    @pytest.mark.parametrize("actor_id", ["long-export", "nobody"])
    def test_of_a_whole_file(self, otter: Hotel, old_events: list[str], actor_id: str) -> None:
        answer = _whole(otter, actor_id)
        event = outcome(otter, answer.headers["Access-Event"])
        assert (event["outcome"], rows(event)) == ("allowed", len(answer.text.splitlines()))

    def test_of_one_whose_reader_left(self, otter: Hotel, old_events: list[str]) -> None:
        with reading(otter) as answer:
            next(answer.iter_raw(100))
        event = outcome(otter, answer.headers["Access-Event"])
        assert event["outcome"] == "failed"
        assert EXPORT_PAGE <= rows(event) < COUNT

    def test_of_one_whose_session_was_ended_meanwhile(self, otter: Hotel, old_events: list[str]) -> None:
        person = activate(otter.http, *_invited(otter))
        headers = {"Authorization": f"Bearer {person.token}"}
        read = 0
        with otter.http.stream("GET", EXPORT, params=ASKED, headers=headers) as answer:
            pieces = answer.iter_raw(1000)
            read += len(next(pieces))
            expect(person.delete("/v1/sessions/current"), 204)
            time.sleep(1)  # the promise of 04.1
            with pytest.raises(httpx2.TransportError):
                read += sum(len(piece) for piece in pieces)
        whole = otter.admin.get(EXPORT, params=ASKED)
        assert read < len(whole.content)
        event = outcome(otter, answer.headers["Access-Event"])
        assert event["outcome"] == "failed"
        assert EXPORT_PAGE <= rows(event) < COUNT

    def test_of_one_who_takes_nothing_and_whose_session_was_ended(
        self, stack: Machine, otter: Hotel, old_events: list[str]
    ) -> None:
        person = activate(otter.http, *_invited(otter))
        headers = {"Authorization": f"Bearer {person.token}"}
        with _narrow(stack) as http, http.stream("GET", EXPORT, params=ASKED, headers=headers) as answer:
            pieces = answer.iter_raw(1000)  # held: dropped, it would close the connection
            next(pieces)
            time.sleep(2)  # all that holds some of it on the way is full by then, and no page is asked for any more
            expect(person.delete("/v1/sessions/current"), 204)
            event = outcome(otter, answer.headers["Access-Event"], within=5)
        assert event["outcome"] == "failed"
        assert EXPORT_PAGE <= rows(event) < COUNT


def _narrow(stack: Machine) -> httpx2.Client:
    """A client for whom the kernel holds little: it would take the whole file."""
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    room = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)]
    return gateway(stack, transport=httpx2.HTTPTransport(verify=context, socket_options=room))


def _invited(hotel: Hotel) -> tuple[str, str, str]:
    email, token = invite(hotel.admin, "admin")
    return email, "admin", token
