"""04.4: an export of many pages is whole, in order and bounded in memory; one given up leaves nothing behind."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from audit import store
from audit.routes import EXPORT_PAGE
from events.access import AccessEvent, Action, Actor, new_salt
from events.uuid7 import uuid7
from support.hotel import Hotel
from support.machine import Machine, wait_until
from support.workload import door

COUNT = 3 * EXPORT_PAGE + 7
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
