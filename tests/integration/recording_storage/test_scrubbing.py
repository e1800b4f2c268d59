"""01.3, 02.1: what nobody plays is read once in a while in both zones, and healed while one of them has it whole."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from guard import errors
from recording_storage import scrubbing, zone
from recording_storage.opening import admit
from recording_storage.scrubbing import Pace, Scrub
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine, wait_until
from support.recordings import MIB, SERVICE, Inside, inside, objects, places, record, standing, wav

AUDIO = wav(3 * MIB + 5000)
WEEK = timedelta(days=7)
LATER = timedelta(days=8)  # the tests' clock: the service's own scrub is not due
FAST = Pace(1e12, WEEK)


async def _set(stack: Machine, change: str) -> None:
    async with superuser(stack, SERVICE) as connection:
        await connection.execute(f"UPDATE scrub SET {change}")


@pytest.fixture
async def parts(stack: Machine) -> AsyncIterator[Inside]:
    """The service's parts when a pass is due."""
    fresh = "client = DEFAULT, recording = DEFAULT, number = 0, began_at = now(), ended_at = now(), holder = NULL,"
    await _set(stack, f"{fresh} held_until = '-infinity'")
    async with inside(stack, LATER) as opened:
        yield opened
    await _set(stack, f"{fresh} held_until = '-infinity'")


def scrub(parts: Inside, pace: Pace = FAST) -> Scrub:
    return Scrub(parts.door, parts.zones, parts.keys, parts.wounded, pace)


def entries(hotel: Hotel, recording_id: str) -> list[dict[str, Any]]:
    found = hotel.log(action="recording:read", resource_type="recording", resource_id=recording_id)
    return [entry for entry in found if entry["reason"] == "scrubbing the zones"]


def wrong(path: Path) -> bytes:
    """What it was before a bit of it turned."""
    whole = path.read_bytes()
    path.write_bytes(whole[:500_000] + bytes([whole[500_000] ^ 1]) + whole[500_001:])
    return whole


@pytest.fixture
def read(parts: Inside, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Zone and path of each object that is read."""
    seen: list[tuple[str, str]] = []
    real = parts.zones.read

    async def told(name: str, path: str, accept: Any) -> Any:
        seen.append((name, path))
        return await real(name, path, accept)

    monkeypatch.setattr(parts.zones, "read", told)
    return seen


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recordings that are opened."""
    seen: list[str] = []

    async def told(*arguments: Any) -> Any:
        seen.append(str(arguments[3]))
        return await admit(*arguments)

    monkeypatch.setattr(scrubbing, "admit", told)
    return seen


class TestNotYet:
    async def test_before_it_is_due(self, otter: Hotel, parts: Inside, opened: list[str]) -> None:
        told = record(otter, AUDIO)
        parts.door.clock.shift = WEEK - timedelta(minutes=1)
        assert not await scrub(parts).turn()
        assert opened == []
        parts.door.clock.shift = LATER
        assert await scrub(parts).turn()
        assert opened.count(told["id"]) == 1

    async def test_while_a_zone_is_away_nothing_is_opened(
        self, otter: Hotel, parts: Inside, stack: Machine, opened: list[str]
    ) -> None:
        record(otter, AUDIO)
        away = places(stack)[1]
        away.rename(away.with_name("b.away"))
        try:
            for _ in range(2):
                with pytest.raises(errors.Unavailable):
                    await scrub(parts).turn()
                await _set(stack, "held_until = '-infinity'")
        finally:
            away.with_name("b.away").rename(away)
        assert opened == []

    async def test_what_another_process_is_at(
        self, otter: Hotel, parts: Inside, stack: Machine, read: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = record(otter, AUDIO)
        mine = [(name, path) for path in _paths(otter, told["id"]) for name in ("a", "b")]
        monkeypatch.setattr(scrubbing, "_KEEP", 0.0)
        with monkeypatch.context() as patched:
            patched.setattr(Scrub, "_require_recording", _killed_at(told["id"]))
            spoilt = objects(stack, told["id"])[6]
            whole = wrong(spoilt)
            with pytest.raises(_Killed):
                await scrub(parts).turn()
        assert read[-6:] == mine[:6]
        read.clear()
        assert not await scrub(parts).turn()
        assert read == []
        # Its place is kept: where the killed process was silent for too long, this one goes on.
        with standing(stack):
            await _set(stack, "held_until = '-infinity'")
            assert await scrub(parts).turn()
        assert read[: len(mine) - 4] == mine[4:]
        assert await parts.healer.turn() >= 1
        assert spoilt.read_bytes() == whole

    async def test_one_that_was_silent_for_too_long_stops(
        self, otter: Hotel, parts: Inside, stack: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(otter, AUDIO)
        monkeypatch.setattr(scrubbing, "_KEEP", 0.0)
        slow, real = scrub(parts), parts.zones.read

        async def overtaken(name: str, path: str, accept: Any) -> Any:
            await _set(stack, f"holder = '{UUID(int=1)}'")
            return await real(name, path, accept)

        monkeypatch.setattr(parts.zones, "read", overtaken)
        assert not await slow.turn()


def _pipe(path: Path) -> int:
    path.unlink()
    os.mkfifo(path)
    return os.open(path, os.O_PATH)


def _remove(path: Path, pipe: int) -> None:
    """Unless it was healed: it would hold up whoever comes after this test."""
    os.close(pipe)
    if path.is_fifo():
        path.unlink()


@asynccontextmanager
async def hanging(path: Path) -> AsyncIterator[None]:
    """Who reads it waits, until the block ends, as a disk does at a bad place."""
    pipe = _pipe(path)
    try:
        yield
    finally:
        for _ in range(100):
            with suppress(OSError):  # nobody waits
                os.close(os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK))
            await asyncio.sleep(0.01)
        _remove(path, pipe)


def deleting(hotel: Hotel, recording_id: str) -> Any:
    """`admit`, and then this recording is deleted and its objects are gone."""

    async def admitted(*arguments: Any) -> Any:
        opening = await admit(*arguments)
        if str(arguments[3]) == recording_id:
            assert hotel.agent.delete(f"/v1/recordings/{recording_id}").status_code == 202
            wait_until(lambda: not objects(hotel.stack, recording_id), within=60, what="the erasing")
        return opening

    return admitted


class _Killed(BaseException):
    pass


def _killed_at(recording_id: str) -> Any:
    async def require(_: Scrub, at: Any) -> None:
        if str(at.recording_id) == recording_id:
            raise _Killed

    return require


def _paths(hotel: Hotel, recording_id: str) -> list[str]:
    return [zone.path(hotel.client_id, UUID(recording_id), number) for number in range(4)]


class TestFound:
    async def test_a_wrong_byte_in_the_second_zone_alone(self, stack: Machine, otter: Hotel, parts: Inside) -> None:
        told = record(otter, AUDIO)
        spoilt = objects(stack, told["id"])[6]
        assert spoilt.is_relative_to(places(stack)[1])
        whole, before = wrong(spoilt), zone.wounds_seen.labels("b", "damaged")._value.get()
        assert await scrub(parts).turn()
        assert zone.wounds_seen.labels("b", "damaged")._value.get() > before
        assert await parts.healer.turn() >= 1
        assert spoilt.read_bytes() == whole
        wait_until(lambda: bool(entries(otter, told["id"])), within=20, what="its entry")
        [entry] = entries(otter, told["id"])
        assert (entry["actor"]["id"], entry["outcome"]) == (SERVICE, "allowed")

    async def test_one_that_cannot_be_read(
        self, stack: Machine, otter: Hotel, parts: Inside, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = record(otter, AUDIO)
        spoilt = objects(stack, told["id"])[6]
        whole = spoilt.read_bytes()
        monkeypatch.setattr(parts.zones._named("b"), "_limit", 1.0)
        async with hanging(spoilt), asyncio.timeout(60):
            assert await scrub(parts).turn()
            assert await parts.healer.turn() >= 1
        assert spoilt.is_file()
        assert spoilt.read_bytes() == whole

    async def test_what_was_deleted_meanwhile_is_no_wound(
        self, otter: Hotel, parts: Inside, read: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = record(otter, AUDIO)
        monkeypatch.setattr(scrubbing, "admit", deleting(otter, told["id"]))
        monkeypatch.setattr(parts.keys, "_lifetime", 60.0)
        assert await scrub(parts).turn()
        # Its key is held for a moment more, so the first was looked for, and then no other.
        assert [path for _, path in read if told["id"] in path] == [_paths(otter, told["id"])[0]] * 2

    async def test_a_key_that_is_destroyed_is_not_opened_again(
        self, otter: Hotel, parts: Inside, read: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = record(otter, AUDIO)
        monkeypatch.setattr(scrubbing, "admit", deleting(otter, told["id"]))
        monkeypatch.setattr(parts.keys, "_lifetime", 0.0)
        assert await scrub(parts).turn()
        assert [path for _, path in read if told["id"] in path] == []


class TestWhole:
    async def test_each_object_of_both_zones_is_read_once(
        self, otter: Hotel, heron: Hotel, parts: Inside, read: list[tuple[str, str]]
    ) -> None:
        for told, hotel in ((record(hotel, AUDIO), hotel) for hotel in (otter, heron)):
            assert len(_paths(hotel, told["id"])) == 4
            wanted = {(name, path) for path in _paths(hotel, told["id"]) for name in parts.zones.names}
            read.clear()
            parts.door.clock.shift += LATER
            assert await scrub(parts).turn()
            assert [one for one in read if one in wanted] == sorted(wanted, key=lambda one: (one[1], one[0]))
            assert len(read) == len(set(read))

    async def test_its_end_is_told_and_the_next_begins_a_week_after_it_began(self, parts: Inside) -> None:
        assert await scrub(parts).turn()
        ended = parts.door.clock.now()
        assert abs(scrubbing.scrubbed_at._value.get() - ended.timestamp()) < 60
        assert not await scrub(parts).turn()
        parts.door.clock.shift += LATER
        assert await scrub(parts).turn()

    async def test_it_is_no_faster_than_it_may_be(
        self, otter: Hotel, parts: Inside, read: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(otter, AUDIO)
        monkeypatch.setattr(scrubbing, "_ADMISSION", 0)
        assert await scrub(parts).turn()
        size = sum(place.stat().st_size for place in _files(parts, read))
        parts.door.clock.shift += LATER
        began = time.monotonic()
        assert await scrub(parts, Pace(size / 2, WEEK)).turn()
        assert time.monotonic() - began >= 2


def _files(parts: Inside, read: list[tuple[str, str]]) -> list[Path]:
    folders = {name: Path(parts.zones._named(name)._place._root) for name in parts.zones.names}  # type: ignore[union-attr]  # two folders
    return [file for name, path in read if (file := folders[name] / path).exists()]
