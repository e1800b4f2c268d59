"""The scrub: each object of both zones is read once in a while, slowly, and must open. So what nobody plays is found
damaged while its twin is whole, and healed. Nothing else is done with the audio.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.access import Door
from recording_storage import segment, zone
from recording_storage.healer import Wounded
from recording_storage.holder import Away, Missing
from recording_storage.key import Keys
from recording_storage.opening import admit
from recording_storage.segment import SEGMENT, Damaged
from recording_storage.store import scrub as store
from recording_storage.store import zone as zone_store
from recording_storage.zone import Zones

_LOOK = 60.0  # seconds between two looks: whether a pass is due, whether what was away is back
_KEEP = 10.0  # seconds of work that a killed process's successor does again, at most
_ADMISSION = 2**20  # bytes as which opening a recording counts: short ones would keep OpenBao and the log busy

_log = logging.getLogger("recording_storage.scrubbing")
scrubbed_at = Gauge("konci_zone_scrubbed_seconds", "Unix time at which the last pass over both zones came to its end")


class _TakenOver(Exception):
    """Another process is at it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast at most, and how long it is from the beginning of one pass to that of the next."""

    bytes_per_second: float
    every: timedelta


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a pass is: what is before this is read."""

    client_id: UUID
    recording_id: UUID
    number: int = 0

    def behind(self) -> "_Place":
        """The first that is not this recording."""
        return _Place(self.client_id, UUID(int=self.recording_id.int + 1))


class Scrub:
    """One for each process; the database says which of them is at it."""

    def __init__(self, door: Door, zones: Zones, keys: Keys, wounded: Wounded, pace: Pace) -> None:
        self._door = door
        self._zones = zones
        self._keys = keys
        self._wounded = wounded
        self._pace = pace
        self._id = uuid4()
        self._kept_at = 0.0

    async def run(self) -> None:
        """Scrubs until cancelled; what is away is waited for, and then it goes on where it was."""
        while True:
            try:
                if await self.turn():
                    _log.info("both zones are scrubbed")
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("scrub waits", extra={"error": type(failed).__name__})
            await asyncio.sleep(_LOOK)

    async def turn(self) -> bool:
        """Goes on with the pass that is due; whether it came to its end. Raises Unavailable when something is away."""
        place = await self._take()
        if place is None:
            return False
        try:
            while (row := await self._next(place)) is not None:
                at = _Place(row["client_id"], row["recording_id"])
                first = place.number if at == _Place(place.client_id, place.recording_id) else 0
                await self._read(at, first, row["bytes"])
                place = at.behind()
                await self._keep(place)
        except _TakenOver:
            return False
        async with database.translate(), self._door.pools.job.acquire() as connection:
            await store.end(connection, self._id, self._door.clock.now())
            scrubbed_at.set((await store.ended_at(connection)).timestamp())
        return True

    async def _take(self) -> _Place | None:
        now = self._door.clock.now()
        async with database.translate(), self._door.pools.job.acquire() as connection:
            row = await store.take(connection, self._id, now, now - self._pace.every)
            scrubbed_at.set((await store.ended_at(connection)).timestamp())
        self._kept_at = time.monotonic()
        return None if row is None else _Place(row["client"], row["recording"], row["number"])

    async def _next(self, place: _Place) -> asyncpg.Record | None:
        async with database.translate(), self._door.pools.job.acquire() as connection:
            return await store.next_recording(connection, place.client_id, place.recording_id)

    async def _keep(self, place: _Place) -> None:
        if time.monotonic() - self._kept_at < _KEEP:
            return
        async with database.translate(), self._door.pools.job.acquire() as connection:
            if not await store.keep(connection, self._id, (place.client_id, place.recording_id, place.number)):
                raise _TakenOver
        self._kept_at = time.monotonic()

    async def _read(self, at: _Place, first: int, length: int) -> None:
        # Before it is opened: a zone that is away for an hour must not fill its client's log with openings.
        for name in self._zones.names:
            if not await self._zones.answers(name):
                raise Away(f"Zone {name} does not answer.")
        last = segment.count(length) - 1
        try:
            opening = await admit(self._door, self._keys, at.client_id, at.recording_id, "scrubbing the zones")
            await self._pause(_ADMISSION)
            for number in range(first, last + 1):
                accept = await opening.accept(number, is_last=number == last)
                if not await self._opens(zone.path(at.client_id, at.recording_id, number), accept):
                    await self._require_recording(at)
                await self._keep(_Place(at.client_id, at.recording_id, number + 1))
        except errors.NotFound:
            _log.info("what was to be scrubbed is deleted")

    async def _opens(self, path: str, accept: Callable[[memoryview], int]) -> bool:
        """Whether both zones give it rightly. What one does not is noted, and healed by the healer."""
        found = [await self._opens_in(name, path, accept) for name in self._zones.names]
        return all(found)

    async def _opens_in(self, name: str, path: str, accept: Callable[[memoryview], int]) -> bool:
        size = 0
        try:
            size = await self._zones.read(name, path, accept)
        except (Missing, Damaged):
            pass  # noted by the zones themselves
        except Away:
            if not await self._zones.answers(name):
                raise
            self._wounded.note(name, path, "unreadable")  # a bad place of a disk that is well otherwise
        await self._pause(size or SEGMENT)
        return size > 0

    async def _require_recording(self, at: _Place) -> None:
        """Raises NotFound when it was deleted meanwhile: what is missing then is rightly gone."""
        async with database.translate(), self._door.pools.job.acquire() as connection:
            if await zone_store.length_of(connection, at.client_id, at.recording_id) is None:
                raise errors.NotFound

    async def _pause(self, size: int) -> None:
        await asyncio.sleep(size / self._pace.bytes_per_second)
