"""04.4, 04.1: an export of many pages is whole, in order and bounded in memory; how it ended is in the log, however."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from audit import store
from audit.delivery import EXPORT_PAGE
from events.access import AccessEvent, Action, Actor, new_salt
from events.uuid7 import uuid7
from support.hotel import Hotel, activate, expect, invite
from support.machine import Machine, wait_until
from support.workload import door

COUNT = 20 * EXPORT_PAGE + 7  # more than the buffers between service and reader hold
LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture(scope="module")
async def old_events(stack: Machine, otter: Hotel) -> list[str]:
    events = [
        AccessEvent(
            event_id=uuid7(at := LONG_AGO + timedelta(milliseconds=n)),
            occurred_at=at,
            service="tenant_data",
            client_id=otter.client_id,
            actor=Actor(type="user", id="long-export", label="=cmd"),
            user_agent="a browser of some length " * 10,
            action=Action.GUEST_READ,
            ip="203.0.113.7",
            request_id=str(n),
            salt=new_salt(),
        )
        for n in range(COUNT)
    ]
    async with door(stack, "audit") as audit, audit.pools.job.acquire() as connection, connection.transaction():
        assert await store.insert_events(connection, events) == COUNT
    return [str(event.event_id) for event in reversed(events)]


ASKED = {"format": "jsonl", "actor_id": "long-export"}


def test_every_event_once_newest_first(otter: Hotel, old_events: list[str]) -> None:
    text = otter.admin.get("/v1/access-events/export", params=ASKED).text
    assert [json.loads(line)["id"] for line in text.splitlines()] == old_events


def test_the_admission_is_in_the_log_before_the_first_byte(otter: Hotel, old_events: list[str]) -> None:
    headers = {"Authorization": f"Bearer {otter.admin.token}"}
    with otter.http.stream("GET", "/v1/access-events/export", params=ASKED, headers=headers) as answer:
        assert otter.event(answer.headers["Access-Event"])["action"] == "access_event:export"


def test_given_up_midway_it_holds_no_connection(stack: Machine, otter: Hotel, old_events: list[str]) -> None:
    headers = {"Authorization": f"Bearer {otter.admin.token}"}
    for _ in range(20):  # more than the pool has
        with otter.http.stream("GET", "/v1/access-events/export", params=ASKED, headers=headers) as answer:
            next(answer.iter_raw(100))
    wait_until(lambda: otter.admin.get("/v1/access-events").status_code == 200, within=5)
    assert len(otter.log(actor_id="long-export", action="guest:read")) == COUNT


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
        answer = otter.admin.get("/v1/access-events/export", params={**ASKED, "actor_id": actor_id})
        event = outcome(otter, answer.headers["Access-Event"])
        assert (event["outcome"], rows(event)) == ("allowed", len(answer.text.splitlines()))

    def test_of_one_whose_reader_left(self, otter: Hotel, old_events: list[str]) -> None:
        headers = {"Authorization": f"Bearer {otter.admin.token}"}
        with otter.http.stream("GET", "/v1/access-events/export", params=ASKED, headers=headers) as answer:
            next(answer.iter_raw(100))
        event = outcome(otter, answer.headers["Access-Event"])
        assert event["outcome"] == "failed"
        assert EXPORT_PAGE <= rows(event) < COUNT

    def test_of_one_whose_session_was_ended_meanwhile(self, otter: Hotel, old_events: list[str]) -> None:
        person = activate(otter.http, *_invited(otter))
        headers = {"Authorization": f"Bearer {person.token}"}
        read = 0
        with otter.http.stream("GET", "/v1/access-events/export", params=ASKED, headers=headers) as answer:
            pieces = answer.iter_raw(1000)
            read += len(next(pieces))
            expect(person.delete("/v1/sessions/current"), 204)
            time.sleep(1)  # the promise of 04.1
            with pytest.raises(httpx2.TransportError):
                read += sum(len(piece) for piece in pieces)
        whole = otter.admin.get("/v1/access-events/export", params=ASKED)
        assert read < len(whole.content)
        event = outcome(otter, answer.headers["Access-Event"])
        assert event["outcome"] == "failed"
        assert EXPORT_PAGE <= rows(event) < COUNT


def _invited(hotel: Hotel) -> tuple[str, str, str]:
    email, token = invite(hotel.admin, "admin")
    return email, "admin", token
