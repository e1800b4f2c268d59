"""03.1, 01.3: a process that is killed at any point of an upload, an expiry or a heal leaves nothing behind for good.

No orphan object, no row without its bytes, nothing destroyed that can be played; what goes on is another process.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from guard import access, errors
from recording_storage import leftover, removal, retention, upload, zone
from recording_storage.recording import Recording
from recording_storage.store import recording as recording_store
from recording_storage.store import removal as removal_store
from recording_storage.store import retention as retention_store
from recording_storage.store import upload as upload_store
from recording_storage.store import zone as zone_store
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB, Inside, inside, objects, objects_of, play, record, rows, send, standing, wav
from support.workload import caller

KEPT = timedelta(days=30)
AUDIO = wav(3 * MIB + 5000)
Point = tuple[Any, str, str, int]
"""Owner and name of a function, on which side of it, and at which of its calls."""


class Killed(BaseException):
    """As a kill -9 ends it: nothing of ours runs any more."""


def strike(monkeypatch: pytest.MonkeyPatch, point: Point) -> Callable[[], bool]:
    """Kills whoever comes to the point; whether anybody has."""
    owner, name, side, turn = point
    original, calls = getattr(owner, name), 0

    async def struck(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= turn and side == "before":
            raise Killed
        result = await original(*arguments, **options)
        if calls >= turn:
            raise Killed
        return result

    def struck_at_once(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= turn:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, struck if asyncio.iscoroutinefunction(original) else struck_at_once)
    return lambda: calls >= turn


async def go_on(stack: Machine) -> None:
    """What the next process does."""
    async with inside(stack) as parts:
        for _ in range(2):
            await leftover.sweep(parts.door, parts.zones, 0.0)
            await removal.finish(parts.door, parts.zones, KEPT)
            await parts.healer.turn()


async def is_clean(stack: Machine, hotel: Hotel) -> None:
    async with inside(stack) as parts:
        assert [found for found in await parts.compared() if str(hotel.client_id) in found.path] == []
    for table in ("upload", "removal"):
        assert await rows(stack, table, hotel.client_id) == []
    kept = {row["recording_id"] for row in await rows(stack, "recording", hotel.client_id)}
    assert kept == {row["recording_id"] for row in await rows(stack, "recording_key", hotel.client_id)}


UPLOADING: dict[str, Point] = {
    "the row is there, nothing is stored": (access.Entry, "_committed", "at", 1),
    "before its first commit": (upload_store, "begin_upload", "after", 1),
    "one segment is stored": (zone.Zones, "put", "after", 1),
    "all but the last are": (zone.Zones, "put", "before", 4),
    "all are": (zone.Zones, "put", "after", 4),
    "one zone holds one more than the other": (zone.Zones, "_write", "after", 2),
    "the upload is ended, nothing committed": (upload_store, "end_upload", "after", 1),
    "the recording is there, nothing committed": (recording_store, "insert_recording", "after", 1),
    "after the last commit, before the answer": (access.Entry, "_committed", "at", 2),
}


@pytest.mark.parametrize("point", UPLOADING.values(), ids=UPLOADING)
async def test_an_upload(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    call_id = UUID(otter.call()["id"])
    async with inside(stack) as parts:
        with monkeypatch.context() as patched:
            patched.setattr(upload, "_give_up", _nothing)
            reached = strike(patched, point)
            with pytest.raises(Killed):
                await _upload(parts, otter, call_id)
            assert reached()
    await go_on(stack)
    await is_clean(stack, otter)
    listed = expect(otter.agent.get("/v1/recordings", params={"call_id": str(call_id)}), 200).json()["items"]
    assert len(listed) == (point[:2] == (access.Entry, "_committed") and point[3] == 2)
    for told in listed:
        assert expect(play(otter.agent, told["id"]), 200).content == AUDIO


@pytest.mark.parametrize("is_late", [False, True], ids=["its row is forgotten", "its row is forgotten afterwards"])
async def test_an_upload_that_was_given_up_and_lives(
    stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """Its process stood still for a minute, or the database did: what it stores after the sweep is swept as well."""
    call_id = UUID(otter.call()["id"])
    forgetting: list[tuple[Any, ...]] = []

    async def later(_: Any, *upload: Any) -> None:
        forgetting.append(upload)

    async with inside(stack) as parts:

        async def pieces() -> AsyncIterator[bytes]:
            yield AUDIO[: 2 * MIB + 5]
            with monkeypatch.context() as patched:
                if is_late:
                    patched.setattr(upload_store, "forget_upload", later)
                await leftover.sweep(parts.door, parts.zones, 0.0)
            yield AUDIO[2 * MIB + 5 :]

        order = upload.Order(caller(otter.client_id, "agent"), call_id, None, "audio/wav", None, None)
        with standing(stack):
            with pytest.raises(errors.Unavailable):
                await upload.receive(parts.archive(), parts.door.entry(), order, pieces())
            assert objects_of(stack, otter.client_id) != []
            async with parts.door.pools.job.acquire() as connection:
                for given_up in forgetting:
                    await upload_store.forget_upload(connection, *given_up)
            await leftover.sweep(parts.door, parts.zones, 0.0)
    await is_clean(stack, otter)
    asked = {"action": "recording:create", "resource_type": "call", "resource_id": str(call_id)}
    wait_until(lambda: len(otter.log(**asked)) == 3, within=60, what="its entries")
    assert [entry["outcome"] for entry in otter.log(**asked)] == ["failed", "failed", "allowed"]


async def test_a_repeated_upload_that_was_given_up_and_lives(stack: Machine, otter: Hotel) -> None:
    """It is answered as the first was, and what it stores after the sweep is swept as well."""
    call_id = UUID(otter.call()["id"])
    order = upload.Order(caller(otter.client_id, "agent"), call_id, None, "audio/wav", None, "the same")
    async with inside(stack) as parts:

        async def pieces(*, is_given_up: bool) -> AsyncIterator[bytes]:
            yield AUDIO[: 2 * MIB + 5]
            if is_given_up:
                await leftover.sweep(parts.door, parts.zones, 0.0)
            yield AUDIO[2 * MIB + 5 :]

        with standing(stack):
            first, again = [
                await upload.receive(parts.archive(), parts.door.entry(), order, pieces(is_given_up=is_given_up))
                for is_given_up in (False, True)
            ]
            await leftover.sweep(parts.door, parts.zones, 0.0)
    assert again == first
    assert {path.parent.name for path in objects_of(stack, otter.client_id)} >= {str(first.id)}
    await is_clean(stack, otter)


async def _nothing(*_: Any) -> None:
    return


async def _upload(parts: Inside, hotel: Hotel, call_id: UUID) -> Recording:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(AUDIO), 65_536):
            yield AUDIO[start : start + 65_536]

    order = upload.Order(caller(hotel.client_id, "agent"), call_id, None, "audio/wav", None, None)
    return await upload.receive(parts.archive(), parts.door.entry(), order, pieces())


EXPIRING: dict[str, Point] = {
    "it is known who is due": (retention_store, "clients_with_expired", "after", 1),
    "the key is destroyed, nothing committed": (removal_store, "destroy_keys", "after", 1),
    "the key is destroyed": (access.Entry, "_committed", "at", 1),
    "before the first object goes": (zone.Zones, "erase", "before", 1),
    "one zone is empty": (zone.Zones, "_erase_in", "after", 1),
    "both zones are empty": (zone.Zones, "erase", "after", 1),
    "the removal is ended, nothing committed": (removal_store, "end_removal", "after", 1),
    "the receipt is committed": (access.Entry, "_committed", "at", 2),
}


@pytest.mark.parametrize("point", EXPIRING.values(), ids=EXPIRING)
async def test_an_expiry(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    told = record(otter, AUDIO)
    with standing(stack):  # its own sweep would be faster than the one that is struck
        async with inside(stack, timedelta(days=4000)) as parts:
            with monkeypatch.context() as patched:
                reached = strike(patched, point)
                with pytest.raises(Killed):
                    await _expire(parts)
                assert reached()
            await retention.sweep_expired(parts.door)
        await go_on(stack)
        await is_clean(stack, otter)
    assert objects(stack, told["id"]) == []
    assert UUID(told["id"]) not in {row["recording_id"] for row in await rows(stack, "recording", otter.client_id)}


async def _expire(parts: Inside) -> None:
    await retention.sweep_expired(parts.door)
    await removal.finish(parts.door, parts.zones, KEPT)


HEALING: dict[str, Point] = {
    "it is known what is wrong": (zone.Zones, "copy", "before", 1),
    "one of two is healed": (zone.Zones, "copy", "after", 1),
    "before it counts as safe": (zone_store, "mark_safe", "before", 1),
}


@pytest.mark.parametrize("point", HEALING.values(), ids=HEALING)
async def test_a_heal(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    told = record(otter, AUDIO)
    for path in objects(stack, told["id"])[1:3]:
        path.unlink()
    async with inside(stack) as parts:
        for number in (1, 2):
            parts.wounded.note("a", zone.path(otter.client_id, UUID(told["id"]), number), "missing")
        with monkeypatch.context() as patched:
            reached = strike(patched, point)
            with pytest.raises(Killed):
                await parts.healer.turn()
            assert reached()
        await parts.compared()  # which is how the next process learns of it
        await parts.healer.turn()
    await is_clean(stack, otter)
    assert expect(play(otter.agent, told["id"]), 200).content == AUDIO


class Load:
    """A person who uploads, and deletes every other one, whatever is answered."""

    def __init__(self, hotel: Hotel, first: int) -> None:
        self._hotel = hotel
        self._seed = first
        self.is_over = False
        self.stored = 0

    def run(self) -> None:
        while not self.is_over:
            self._seed += 2
            with suppress(AssertionError, OSError, httpx2.HTTPError):
                answer = send(self._hotel.agent, self._hotel.call()["id"], wav(2 * MIB, seed=self._seed))
                self.stored += answer.status_code == 201
                if answer.status_code == 201 and self.stored % 2:
                    self._hotel.agent.delete(f"/v1/recordings/{answer.json()['id']}")


async def test_a_real_one_while_it_stores(stack: Machine, otter: Hotel) -> None:
    loads = [Load(otter, 0), Load(otter, 1)]
    running = [asyncio.create_task(asyncio.to_thread(load.run)) for load in loads]
    try:
        for pause in (0.3, 1.1, 2.3, 3.1):
            await asyncio.to_thread(wait_until, lambda: serves(otter), within=90, what="the service")
            await asyncio.sleep(pause)
            assert stack.kill("recording_storage")
        await asyncio.to_thread(wait_until, lambda: serves(otter), within=90, what="the service")
        await asyncio.sleep(2)
    finally:
        for load in loads:
            load.is_over = True
        await asyncio.gather(*running)
    assert sum(load.stored for load in loads) >= 3
    await go_on(stack)
    await is_clean(stack, otter)
    newest = expect(otter.agent.get("/v1/recordings", params={"limit": 20}), 200).json()["items"]
    for told in newest:
        assert hashlib.sha256(expect(play(otter.agent, told["id"]), 200).content).hexdigest() == told["sha256"]


def serves(hotel: Hotel) -> bool:
    with suppress(httpx2.HTTPError):
        return hotel.viewer.get("/v1/recordings", params={"limit": 1}).status_code == 200
    return False
