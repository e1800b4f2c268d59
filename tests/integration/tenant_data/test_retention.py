"""04.4: a transcript that its client keeps no longer is deleted, by name, in that client's log, and no other is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.workload import door
from tenant_data import retention

WORDS = {"turns": [{"speaker": "guest", "text": "Hello."}]}
DAYS = 30


async def keep(stack: Machine, hotel: Hotel, days: int | None) -> None:
    """As if `auth` had said so; the event's own way is another test's."""
    async with superuser(stack, "tenant_data") as connection:
        await connection.execute(
            "INSERT INTO client (client_id, transcripts_days, changed_at) VALUES ($1, $2, now())"
            " ON CONFLICT (client_id) DO UPDATE SET transcripts_days = $2",
            hotel.client_id,
            days,
        )


async def transcript(stack: Machine, hotel: Hotel, age: timedelta, **facts: Any) -> str:
    """A call's id, with a transcript of that age."""
    call_id: str = hotel.call(**facts)["id"]
    expect(hotel.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS), 201)
    async with superuser(stack, "tenant_data") as connection:
        done = await connection.execute(
            "UPDATE transcript SET created_at = now() - $2::interval WHERE call_id = $1", UUID(call_id), age
        )
        assert done == "UPDATE 1"
    return call_id


async def sweep(stack: Machine) -> int:
    async with door(stack, "tenant_data") as opened:
        return await retention.sweep(opened)


def is_there(hotel: Hotel, call_id: str) -> bool:
    return expect(hotel.agent.get(f"/v1/calls/{call_id}/transcript"), 200, 404).status_code == 200


async def test_what_is_not_due_stays(stack: Machine, otter: Hotel) -> None:
    await keep(stack, otter, DAYS)
    call_id = await transcript(stack, otter, timedelta(days=DAYS) - timedelta(minutes=5))
    await sweep(stack)
    assert is_there(otter, call_id)


@pytest.mark.parametrize("days", [None, 3650])
async def test_what_another_client_keeps_longer_stays(
    stack: Machine, otter: Hotel, heron: Hotel, days: int | None
) -> None:
    await keep(stack, otter, DAYS)
    await keep(stack, heron, days)
    call_id = await transcript(stack, heron, timedelta(days=DAYS + 1))
    await sweep(stack)
    assert is_there(heron, call_id)


async def test_replacing_it_does_not_keep_it_longer(stack: Machine, otter: Hotel) -> None:
    await keep(stack, otter, DAYS)
    call_id = await transcript(stack, otter, timedelta(days=DAYS + 1))
    expect(otter.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS), 200)
    await sweep(stack)
    assert not is_there(otter, call_id)


async def test_what_is_due_goes_and_its_call_stays(stack: Machine, otter: Hotel) -> None:
    await keep(stack, otter, DAYS)
    guest_id = otter.guest()["id"]
    due = {
        await transcript(stack, otter, timedelta(days=DAYS, minutes=5), guest_id=guest_id),
        await transcript(stack, otter, timedelta(days=DAYS + 400)),
    }
    young = await transcript(stack, otter, timedelta(days=DAYS) - timedelta(minutes=5))
    assert await sweep(stack) == len(due)
    assert is_there(otter, young)
    for call_id in due:
        assert not is_there(otter, call_id)
        assert otter.agent.get(f"/v1/calls/{call_id}").status_code == 200
    assert await sweep(stack) == 0


async def test_the_log_says_who_deleted_it(stack: Machine, otter: Hotel) -> None:
    await keep(stack, otter, DAYS)
    call_id = await transcript(stack, otter, timedelta(days=DAYS + 1))
    await sweep(stack)
    asked = {"action": "transcript:delete", "resource_type": "transcript", "resource_id": call_id}
    wait_until(lambda: bool(otter.log(**asked)), within=10, what="the entry of the deletion")
    [entry] = otter.log(**asked)
    assert (entry["actor"]["type"], entry["actor"]["id"]) == ("service", "tenant_data")
    assert (entry["outcome"], entry["reason"]) == ("allowed", "retention")


async def test_more_than_one_batch(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await keep(stack, otter, DAYS)
    due = [await transcript(stack, otter, timedelta(days=DAYS + 1)) for _ in range(5)]
    assert await sweep(stack) == 5
    assert not any(is_there(otter, call_id) for call_id in due)
