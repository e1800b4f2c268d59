"""Makes both zones whole again: what a read found wrong, and what only one zone took when it was written.

Nothing is copied that does not open as what it should be. Each recording is opened through the door of its own client.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.access import Door
from recording_storage import healing, segment, zone
from recording_storage.healing import Expected
from recording_storage.key import Keys
from recording_storage.opening import admit
from recording_storage.playing import lost
from recording_storage.segment import Sealer
from recording_storage.store import zone as store
from recording_storage.zone import Lost, Zones

_EVERY = 10.0  # seconds
_MOST = 10_000  # recordings noted at once; of more, the comparison finds the rest again

_log = logging.getLogger("recording_storage.healer")
degraded = Gauge("konci_recording_degraded", "Recordings that are not in both zones yet")


class Wounded:
    """Recordings with an object that a zone did not give rightly, with the paths that were seen."""

    def __init__(self) -> None:
        self._paths: dict[tuple[UUID, UUID], set[str]] = {}
        self.is_woken = asyncio.Event()

    def note(self, _zone: str, path: str, kind: str) -> None:
        """What `Zones` tells. A zone that is away is waited for: there is nothing to heal in it."""
        belongs = zone.belongs(path)
        if kind == "away" or belongs is None or len(self._paths) >= _MOST:
            return
        paths = self._paths.setdefault(belongs, set())
        if kind != "missing":  # what is missing is found by listing: of a whole zone it would be every path there is
            paths.add(path)
        self.is_woken.set()

    def take(self) -> dict[tuple[UUID, UUID], set[str]]:
        """All of them, and forgets them."""
        taken, self._paths = self._paths, {}
        return taken

    def keep(self, recording: tuple[UUID, UUID], paths: set[str]) -> None:
        """Puts back what could not be healed yet; nobody is woken for it."""
        self._paths.setdefault(recording, set()).update(paths)

    def drop(self, recording: tuple[UUID, UUID], paths: Iterable[str]) -> None:
        """Forgets what healing itself has just met: it would be healed, or lost, again and again."""
        left = self._paths.pop(recording, set()).difference(paths)
        if left:  # found by somebody else meanwhile
            self._paths[recording] = left


class Healer:
    """Heals for as long as the process lives."""

    def __init__(self, door: Door, zones: Zones, keys: Keys, wounded: Wounded) -> None:
        self._door = door
        self._zones = zones
        self._keys = keys
        self._wounded = wounded

    async def run(self) -> None:
        """Heals until cancelled; a zone or the database away is waited for."""
        while True:
            try:
                await self.turn()
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("healing waits", extra={"error": type(failed).__name__})
            try:
                await asyncio.wait_for(self._wounded.is_woken.wait(), _EVERY)
            except TimeoutError:
                continue
            self._wounded.is_woken.clear()
            await asyncio.sleep(1)  # a play finds one wound after the other: together they are one entry in the log

    async def turn(self) -> int:
        """Heals all that is known to be wrong; how many recordings are whole now. Raises Unavailable."""
        wounds = self._wounded.take()
        async with database.translate(), self._door.pools.job.acquire() as connection:
            for row in await store.degraded(connection):
                wounds.setdefault((row["client_id"], row["recording_id"]), set())
        healed = 0
        is_away = False
        for (client_id, recording_id), paths in wounds.items():
            try:
                if not is_away:
                    healed += await self._heal(client_id, recording_id, paths)
            except errors.NotFound:
                _log.info("what was wounded is deleted")
            except errors.Unavailable:
                is_away = True  # so the others need not be tried either: again when it is back
            if is_away:
                self._wounded.keep((client_id, recording_id), paths)
        async with database.translate(), self._door.pools.job.acquire() as connection:
            degraded.set(await store.count_degraded(connection))
        return healed

    async def _heal(self, client_id: UUID, recording_id: UUID, paths: set[str]) -> bool:
        async with database.translate(), self._door.pools.job.acquire() as connection:
            length = await store.length_of(connection, client_id, recording_id)
        if length is None:
            return False  # deleted since
        # Before it is opened: a zone that is away for an hour must not fill its client's log with openings.
        found = await healing.of_recording(self._zones, Expected(client_id, recording_id, length), self.is_known)
        wrong = paths | {difference.path for difference in found if difference.kind != "surplus"}
        if wrong and not await self._mend(client_id, recording_id, sorted(wrong), segment.count(length) - 1):
            return False
        # Also when nothing was wrong: who copied it may have been killed before this.
        prefix = zone.prefix(client_id, recording_id)
        is_settled = len(await self._zones.settle(prefix, self._zones.names)) == len(self._zones.names)
        async with database.translate(), self._door.pools.job.acquire() as connection:
            if is_settled:
                await store.mark_safe(connection, client_id, recording_id)
            is_there = await store.length_of(connection, client_id, recording_id) is not None
        if not is_there:  # deleted meanwhile, and erased perhaps before the last copy was written
            await self._zones.erase(prefix)
        elif not is_settled:
            raise errors.Unavailable
        return is_there

    async def _mend(self, client_id: UUID, recording_id: UUID, paths: list[str], last: int) -> bool:
        opening = await admit(self._door, self._keys, client_id, recording_id, "healing a zone")
        is_whole = True
        try:
            for path in paths:
                accept = _accept(await opening.sealer(), path, last)
                try:
                    await healing.heal(self._zones, path, accept)
                except Lost:
                    _log.error("a segment is lost in both zones", extra={"client_id": str(client_id)})
                    lost.inc()
                    is_whole = False  # and the others are healed all the same
        finally:
            self._wounded.drop((client_id, recording_id), paths)
        return is_whole

    async def is_known(self, client_id: UUID, recording_id: UUID) -> bool:
        """Whether somebody looks after the objects of this recording."""
        async with database.translate(), self._door.pools.job.acquire() as connection:
            return await store.is_known(connection, client_id, recording_id)


def _accept(sealer: Sealer, path: str, last: int) -> Callable[[bytes], bytes]:
    number = int(path.rsplit("/", 1)[-1])
    return partial(_open, sealer, number, is_last=number == last)


def _open(sealer: Sealer, number: int, sealed: bytes, *, is_last: bool) -> bytes:
    return sealer.open(number, sealed, is_last=is_last)
