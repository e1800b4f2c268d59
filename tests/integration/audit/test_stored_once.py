"""04.4: an event is in the log once, as it first came, and its sender is told so; what is no event stops nothing."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from events.access import AccessEvent, Action, Actor, Resource, new_salt
from events.stored import Stored
from events.uuid7 import uuid7
from support.bus import await_record, send
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine


def event(client_id: UUID, **changes: Any) -> AccessEvent:
    now = datetime.now(UTC)
    fields = {
        "event_id": uuid7(now),
        "occurred_at": now,
        "service": "tenant_data",
        "client_id": client_id,
        "actor": Actor(type="user", id="test", label="test"),
        "action": Action.GUEST_READ,
        "resources": (Resource(type="guest", id="one"), Resource(type="guest", id="two")),
        "ip": "203.0.113.7",
        "request_id": "test",
        "salt": new_salt(),
    }
    return AccessEvent(**{**fields, **changes})


def confirms(event_id: UUID) -> Any:
    return lambda record: event_id in Stored.model_validate_json(record.value).event_ids


async def test_only_the_owner_writes_a_topic(stack: Machine, otter: Hotel) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await send(
            stack, "auth", "access.tenant_data", event(otter.client_id).payload().encode(), key=str(otter.client_id)
        )


async def test_a_service_that_speaks_for_another_is_a_dead_letter(stack: Machine, otter: Hotel) -> None:
    forged = event(otter.client_id)
    after = event(otter.client_id, service="auth")
    await send(
        stack, "auth", "access.auth", forged.payload().encode(), after.payload().encode(), key=str(otter.client_id)
    )
    letter = await await_record(
        stack, "audit", "access.auth.dlq", lambda record: record.value == forged.payload().encode()
    )
    headers = dict(letter.headers)
    assert headers["cause"] == b"Misattributed"
    assert headers["origin"].startswith(b"access.auth/")
    otter.event(str(after.event_id))  # its partition goes on
    assert otter.admin.get(f"/v1/access-events/{forged.event_id}").status_code == 404


@pytest.mark.parametrize("poison", [b"not json", b"\xff\xfe", b"{}", b""])
async def test_poison_is_a_dead_letter_and_its_partition_goes_on(stack: Machine, otter: Hotel, poison: bytes) -> None:
    after = event(otter.client_id)
    marked = poison + str(after.event_id).encode()
    await send(stack, "tenant_data", "access.tenant_data", marked, after.payload().encode(), key=str(otter.client_id))
    letter = await await_record(stack, "audit", "access.tenant_data.dlq", lambda record: record.value == marked)
    assert dict(letter.headers)["cause"] == b"ValidationError"
    otter.event(str(after.event_id))


async def test_an_event_that_comes_again_is_stored_once_and_confirmed_again(stack: Machine, otter: Hotel) -> None:
    sent = event(otter.client_id)
    changed = sent.model_copy(update={"resources": (Resource(type="guest", id="stolen"),), "ip": "198.51.100.1"})
    await send(stack, "tenant_data", "access.tenant_data", sent.payload().encode(), key=str(otter.client_id))
    await await_record(stack, "tenant_data", "audit.stored", confirms(sent.event_id))
    await send(
        stack,
        "tenant_data",
        "access.tenant_data",
        sent.payload().encode(),
        changed.payload().encode(),
        key=str(otter.client_id),
    )
    last = event(otter.client_id)
    await send(stack, "tenant_data", "access.tenant_data", last.payload().encode(), key=str(otter.client_id))
    await await_record(stack, "tenant_data", "audit.stored", confirms(last.event_id))
    entry = otter.event(str(sent.event_id))
    assert entry["ip"] == "203.0.113.7"
    assert [resource["id"] for resource in entry["resources"]] == ["one", "two"]
    assert otter.log(resource_id="stolen") == []
    async with superuser(stack, "audit") as connection:
        sql = "SELECT count(*) FROM access_event WHERE event_id = $1"
        assert await connection.fetchval(sql, sent.event_id) == 1


async def test_a_clock_far_off_loses_nothing(stack: Machine, otter: Hotel) -> None:
    far = datetime(2044, 5, 1, tzinfo=UTC)
    sent = event(otter.client_id, event_id=uuid7(far), occurred_at=far)
    await send(stack, "tenant_data", "access.tenant_data", sent.payload().encode(), key=str(otter.client_id))
    assert otter.event(str(sent.event_id))["occurred_at"] == "2044-05-01T00:00:00.000Z"
