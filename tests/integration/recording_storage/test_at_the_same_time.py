"""What overlaps: uploads that end in another order than they began, and a deletion under a comparison's eyes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from recording_storage import removal, upload, zone
from recording_storage.recording import Recording
from recording_storage.store import zone as zone_store
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import SERVICE, Inside, inside, record, send, standing, wav
from support.workload import caller


async def _received(parts: Inside, hotel: Hotel, call_id: UUID, pieces: AsyncIterator[bytes]) -> Recording:
    order = upload.Order(caller(hotel.client_id, "agent"), call_id, None, "audio/wav", None, None)
    return await upload.receive(parts.archive(), parts.door.entry(), order, pieces)


async def _at_once() -> AsyncIterator[bytes]:
    yield wav()


@pytest.mark.parametrize("of_one_call", [True, False])
async def test_the_newest_is_what_was_there_last(stack: Machine, otter: Hotel, *, of_one_call: bool) -> None:
    call_id = UUID(otter.call()["id"])
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def long() -> AsyncIterator[bytes]:
        yield wav()[:1000]
        has_begun.set()
        await may_end.wait()
        yield wav()[1000:]

    async with inside(stack) as parts:
        first = asyncio.create_task(_received(parts, otter, call_id, long()))
        await has_begun.wait()
        second = await _received(parts, otter, call_id, _at_once())
        may_end.set()
        newest = await first
    assert newest.id < second.id  # it began first
    asked = {"call_id": str(call_id)} if of_one_call else {}
    assert await _listed(otter, 2, **asked) == [str(newest.id), str(second.id)]


async def test_of_the_same_moment_none_is_passed_over(stack: Machine, otter: Hotel) -> None:
    call_id = otter.call()["id"]
    made = [expect(send(otter.agent, call_id, wav(seed=seed)), 201).json()["id"] for seed in range(3)]
    async with superuser(stack, SERVICE) as connection:
        await connection.execute("UPDATE recording SET created_at = now() WHERE call_id = $1", UUID(call_id))
    assert await _listed(otter, 3, call_id=call_id) == made[::-1]


async def _listed(hotel: Hotel, count: int, **asked: str) -> list[str]:
    """The newest, one page after the other."""
    listed: list[str] = []
    while len(listed) < count:
        page = expect(await asyncio.to_thread(hotel.agent.get, "/v1/recordings", params={"limit": 1, **asked}), 200)
        listed += [item["id"] for item in page.json()["items"]]
        asked["cursor"] = page.json()["next_cursor"]
    return listed


async def test_what_is_being_erased_is_not_missing(
    stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording_id = UUID(record(otter)["id"])
    prefix = zone.prefix(otter.client_id, recording_id)
    expected = zone_store.expected

    async with inside(stack) as parts:

        async def then_deleted(*asked: Any) -> Any:
            page = await expected(*asked)
            if recording_id in {row["recording_id"] for row in page}:
                who = caller(otter.client_id, "agent")
                await removal.remove(parts.archive(), parts.door.entry(), who, recording_id)
                await parts.zones.erase(prefix)
            return page

        monkeypatch.setattr(zone_store, "expected", then_deleted)
        with standing(stack):  # else it would end the removal at once
            found = await parts.compared()
            await removal.finish(parts.door, parts.zones, timedelta(days=30))
    assert [difference for difference in found if difference.path.startswith(prefix)] == []
