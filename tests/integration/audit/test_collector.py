"""02.4, invariant 8: each use of a client's key in OpenBao is in that client's log, once, even if its reader dies."""

import time
from typing import Any

from events.access import PLATFORM
from events.uuid7 import time_of, uuid7
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine, wait_until


def key_events(hotel: Hotel, action: str) -> list[dict[str, Any]]:
    return [entry for entry in hotel.log(action=action) if entry["actor"]["id"] == "tenant_data"]


def use_the_key(stack: Machine, hotel: Hotel) -> str:
    """A read after the key cache has run out; the id of its request."""
    guest = hotel.guest()
    time.sleep(stack.stack.key_cache_seconds + 0.5)
    answer = hotel.agent.get(f"/v1/guests/{guest['id']}")
    assert answer.status_code == 200
    return str(answer.headers["X-Request-Id"])


def test_an_unwrap_joins_the_access_that_needed_it(stack: Machine, otter: Hotel) -> None:
    request_id = use_the_key(stack, otter)
    wait_until(
        lambda: any(entry["request_id"] == request_id for entry in key_events(otter, "key:unwrap")),
        within=10,
        what="the unwrap in the client's log",
    )


def test_the_first_guest_of_a_client_made_its_key(otter: Hotel) -> None:
    otter.guest()
    wait_until(lambda: bool(key_events(otter, "key:create")), within=10, what="the key's creation in the log")


def test_no_unwrap_is_in_another_clients_log(stack: Machine, otter: Hotel, heron: Hotel) -> None:
    request_id = use_the_key(stack, otter)
    wait_until(lambda: any(e["request_id"] == request_id for e in key_events(otter, "key:unwrap")), within=10)
    assert not [entry for entry in heron.log(action="key:unwrap") if entry["request_id"] == request_id]


def test_killed_it_loses_and_doubles_nothing(stack: Machine, otter: Hotel) -> None:
    asked = []
    for _ in range(3):
        stack.kill("audit_collector")
        asked.append(use_the_key(stack, otter))
    for request_id in asked:
        wait_until(lambda r=request_id: r in [e["request_id"] for e in key_events(otter, "key:unwrap")], within=20)
    time.sleep(1)
    seen = [entry["request_id"] for entry in key_events(otter, "key:unwrap")]
    assert [seen.count(request_id) for request_id in asked] == [1, 1, 1]


async def test_what_belongs_to_no_client_is_the_platforms(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        rows = await connection.fetch(
            "SELECT DISTINCT action, actor_id FROM access_event WHERE client_id = $1 AND service = 'openbao'", PLATFORM
        )
    seen = {(row["action"], row["actor_id"]) for row in rows}
    for service in ("auth", "tenant_data", "audit", "recording_storage"):
        assert {("vault:login", service), ("credential:issue", service), ("secret:read", service)} <= seen


async def test_ids_tell_when_it_was(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        newest = await connection.fetchval(
            "SELECT event_id FROM access_event WHERE service = 'openbao' AND event_id < $1"
            " ORDER BY event_id DESC LIMIT 1",
            uuid7(),
        )
    assert newest is not None
    assert time_of(newest) <= time_of(uuid7())
