"""03.1: a recording is there until its client's days are over, to the second, and no longer; a change counts then."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from recording_storage import removal, retention
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import SERVICE, inside, objects, play, record, rows, standing

DAYS = 30
KEPT = timedelta(days=30)
pytestmark = pytest.mark.usefixtures("zones_of_the_service")


async def keep(stack: Machine, hotel: Hotel, days: int | None) -> None:
    """As if `auth` had said so; the event's own way is another test's."""
    async with superuser(stack, SERVICE) as connection:
        await connection.execute(
            "INSERT INTO client (client_id, recordings_days, changed_at) VALUES ($1, $2, now())"
            " ON CONFLICT (client_id) DO UPDATE SET recordings_days = $2",
            hotel.client_id,
            days,
        )


async def age(stack: Machine, recording_id: str, by: timedelta) -> None:
    async with superuser(stack, SERVICE) as connection:
        done = await connection.execute(
            "UPDATE recording SET created_at = now() - $2::interval WHERE recording_id = $1", UUID(recording_id), by
        )
        assert done == "UPDATE 1"


async def sweep(stack: Machine, shift: timedelta) -> int:
    async with inside(stack, shift) as later:
        return await retention.sweep_expired(later.door)


def is_there(hotel: Hotel, recording_id: str) -> bool:
    return expect(hotel.agent.get(f"/v1/recordings/{recording_id}"), 200, 404).status_code == 200


def left(told: dict[str, Any]) -> timedelta:
    """Until it expires."""
    return datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)


@pytest.fixture
async def told(stack: Machine, otter: Hotel) -> dict[str, Any]:
    await keep(stack, otter, DAYS)
    return record(otter)


async def test_a_second_before(stack: Machine, otter: Hotel, told: dict[str, Any]) -> None:
    assert datetime.fromisoformat(told["expires_at"]) - datetime.fromisoformat(told["created_at"]) == KEPT
    await sweep(stack, left(told) - timedelta(seconds=1))
    assert is_there(otter, told["id"])


async def test_a_second_after(stack: Machine, otter: Hotel, told: dict[str, Any]) -> None:
    assert await sweep(stack, left(told) + timedelta(seconds=1)) >= 1
    assert not is_there(otter, told["id"])
    expect(play(otter.agent, told["id"]), 404)
    wait_until(lambda: not objects(stack, told["id"]), within=20, what="the erasing of its objects")


async def test_it_is_not_played_before_the_sweep_has_come_either(
    stack: Machine, otter: Hotel, told: dict[str, Any]
) -> None:
    async with superuser(stack, SERVICE) as connection, connection.transaction():
        # The sweep takes what is not locked; this one is, so it is there and its time is over.
        await connection.execute("SELECT FROM recording WHERE recording_id = $1 FOR NO KEY UPDATE", UUID(told["id"]))
        await keep(stack, otter, None)
        await connection.execute(
            "UPDATE recording SET created_at = now() - $2::interval WHERE recording_id = $1",
            UUID(told["id"]),
            KEPT + timedelta(seconds=5),
        )
        assert is_there(otter, told["id"])
    await keep(stack, otter, DAYS)
    for path in ("", "/audio"):
        expect(otter.agent.get(f"/v1/recordings/{told['id']}{path}"), 404)
    listed = expect(otter.agent.get("/v1/recordings", params={"call_id": told["call_id"]}), 200).json()
    assert listed["items"] == []


@pytest.mark.parametrize("days", [None, 3650])
async def test_what_another_client_keeps_longer_stays(
    stack: Machine, otter: Hotel, heron: Hotel, days: int | None
) -> None:
    await keep(stack, otter, DAYS)
    await keep(stack, heron, days)
    foreign = record(heron)
    await sweep(stack, KEPT + timedelta(days=1))
    assert is_there(heron, foreign["id"])


async def test_kept_longer_and_shorter(stack: Machine, otter: Hotel, told: dict[str, Any]) -> None:
    await keep(stack, otter, DAYS + 10)
    await sweep(stack, KEPT + timedelta(days=5))
    now = expect(otter.agent.get(f"/v1/recordings/{told['id']}"), 200).json()
    assert datetime.fromisoformat(now["expires_at"]) - datetime.fromisoformat(told["expires_at"]) == timedelta(days=10)
    await keep(stack, otter, DAYS - 10)
    await sweep(stack, KEPT - timedelta(days=9))
    assert not is_there(otter, told["id"])


async def test_the_log_says_which_rule(stack: Machine, otter: Hotel, told: dict[str, Any]) -> None:
    await sweep(stack, left(told) + timedelta(seconds=1))
    asked = {"action": "recording:delete", "resource_type": "recording", "resource_id": told["id"]}
    wait_until(lambda: len(otter.log(**asked)) == 2, within=20, what="both entries")
    # In no order: the clock that destroyed it was ahead.
    destroyed, erased = sorted(otter.log(**asked), key=lambda entry: len(entry["reason"]))
    for entry in (erased, destroyed):
        assert (entry["actor"]["type"], entry["actor"]["id"]) == ("service", "recording_storage")
    assert destroyed["reason"] == "retention"
    assert "by retention; unrecoverable after" in erased["reason"]


async def test_more_than_one_batch(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await keep(stack, otter, DAYS)
    due = [record(otter)["id"] for _ in range(5)]
    assert await sweep(stack, KEPT + timedelta(days=1)) >= 5
    assert not any(is_there(otter, recording_id) for recording_id in due)
    async with inside(stack) as parts:
        await removal.finish(parts.door, parts.zones, KEPT)
    wait_until(lambda: not any(objects(stack, recording_id) for recording_id in due), within=20, what="the erasing")
    assert await rows(stack, "removal", otter.client_id) == []


def empty(hotel: Hotel) -> list[dict[str, Any]]:
    """Entries of a deletion that name no recording."""
    return [entry for entry in hotel.log(action="recording:delete", outcome="allowed") if not entry["resources"]]


async def test_what_is_not_there_leaves_no_entry(
    stack: Machine, otter: Hotel, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(empty(otter))
    with standing(stack):  # it would delete them first
        async with superuser(stack, SERVICE) as connection, connection.transaction():
            # As if another process were deleting it.
            await connection.execute("SELECT FROM recording WHERE recording_id = $1 FOR UPDATE", UUID(told["id"]))
            async with inside(stack, KEPT + timedelta(days=1)) as later:
                await retention.sweep_expired(later.door)
            assert UUID(told["id"]) in {row["recording_id"] for row in await rows(stack, "recording", otter.client_id)}
        monkeypatch.setattr(retention, "BATCH", 1)  # and the last batch is a whole one
        assert await sweep(stack, KEPT + timedelta(days=1)) >= 1
    asked = {"action": "recording:delete", "resource_type": "recording", "resource_id": told["id"]}
    wait_until(lambda: len(otter.log(**asked)) == 2, within=60, what="both entries")  # all others came before
    assert len(empty(otter)) == before
