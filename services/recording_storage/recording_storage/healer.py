"""Makes both zones whole again: what a read found wrong, and what only one zone took when it was written.

Nothing is copied that does not open as what it should be. Each recording is opened through the door of its own client.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.access import Door
from recording_storage import healing, segment, zone
from recording_storage.healing import Expected, NotTaken, Unreadable
from recording_storage.holder import Away, Broken, Missing
from recording_storage.key import Keys
from recording_storage.opening import Opening, admit
from recording_storage.playing import lost
from recording_storage.resting import Recording, Resting
from recording_storage.segment import Damaged
from recording_storage.store import zone as store
from recording_storage.zone import Lost, Zones

_EVERY = 10.0  # seconds
_MOST = 10_000  # recordings noted at once; of more, the comparison finds the rest again
_PAGE = 1000  # degraded recordings in one turn
_NONE = (UUID(int=0), UUID(int=0))

_log = logging.getLogger("recording_storage.healer")
degraded = Gauge("konci_recording_degraded", "Recordings that are not in both zones yet")


class Wounded:
    """Recordings with an object that a zone did not give rightly, with the paths that were seen."""

    def __init__(self) -> None:
        self._paths: dict[Recording, set[str]] = {}
        self.is_woken = asyncio.Event()

    def note(self, _zone: str, path: str, kind: str) -> None:
        """What `Zones` tells. A zone that is away is waited for: there is nothing to heal in it; what it cannot
        read while it answers is healed as any other.
        """
        belongs = zone.belongs(path)
        if kind == "away" or belongs is None or len(self._paths) >= _MOST:
            return
        paths = self._paths.setdefault(belongs, set())
        if kind != "missing":  # what is missing is found by listing: of a whole zone it would be every path there is
            paths.add(path)
        self.is_woken.set()

    def take(self) -> dict[Recording, set[str]]:
        """All of them, and forgets them."""
        taken, self._paths = self._paths, {}
        return taken

    def keep(self, recording: Recording, paths: set[str]) -> None:
        """Puts back what could not be healed yet; nobody is woken for it."""
        self._paths.setdefault(recording, set()).update(paths)

    def drop(self, recording: Recording, paths: Iterable[str]) -> None:
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
        self._resting = Resting()
        self._after = _NONE
        self._copied: list[tuple[str, str]] = []  # zone and path, of the recording that is being healed
        self._unwanted: list[tuple[str, str]] = []  # the same, of what was deleted meanwhile: it must not stay

    async def run(self) -> None:
        """Heals until cancelled; a zone or the database away is waited for."""
        while True:
            try:
                await self.turn()
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("healing waits", extra={"error": type(failed).__name__})
            self._wounded.is_woken.clear()  # healing has read what is wrong, which wakes too
            try:
                await asyncio.wait_for(self._wounded.is_woken.wait(), _EVERY)
            except TimeoutError:
                continue
            await asyncio.sleep(1)  # a play finds one wound after the other: together they are one entry in the log

    async def turn(self) -> int:
        """Heals what is known to be wrong and does not rest; how many recordings are whole now. Raises Unavailable."""
        await self._take_back()
        pending = await self._next_degraded()
        wounds = self._wounded.take()
        self._resting.forget()
        healed, is_held_up, refused = 0, False, set[UUID]()
        # Those that failed come last: what ends a turn early keeps no other from being healed in the next one.
        for recording in sorted(dict.fromkeys([*wounds, *pending]), key=self._resting.began):
            paths = wounds.get(recording, set())
            if not is_held_up and recording[0] not in refused and not self._resting.holds(recording, paths):
                try:
                    healed += await self._attempt(recording, paths)
                except NotTaken:  # one client's folder takes nothing; or of two, so a disk that is full
                    refused.add(recording[0])
                    is_held_up = len(refused) > 1
                except (errors.Unavailable, asyncpg.PostgresError):
                    is_held_up = True  # so the others need not be tried either
                else:
                    continue
            if recording in wounds:  # the others are in the table
                self._wounded.keep(recording, paths)
        async with database.translate(), self._door.pools.job.acquire() as connection:
            degraded.set(await store.count_degraded(connection))
        return healed

    async def _next_degraded(self) -> Sequence[Recording]:
        """A page of them each time, and then from the beginning: those that stay fill no turn."""
        async with database.translate(), self._door.pools.job.acquire() as connection:
            rows = await store.degraded(connection, self._after, _PAGE)
        found = [(row["client_id"], row["recording_id"]) for row in rows]
        self._after = found[-1] if len(found) == _PAGE else _NONE
        return found

    async def _attempt(self, recording: Recording, paths: set[str]) -> bool:
        """Whether it is whole now. What cannot be healed though both zones answer rests, and holds up no other.

        Raises Unavailable when the others cannot be healed either.
        """
        failed: Exception | None
        try:
            failed = await self._heal(recording, paths)
        except errors.NotFound as gone:
            failed = gone
        except Away as away:
            if not all([await self._zones.answers(name) for name in self._zones.names]):
                raise
            failed = away
        if failed is None:
            self._resting.end(recording)
            return True
        told = {"client_id": str(recording[0]), "error": type(failed).__name__}
        _log.warning("a recording is not healed", extra=told)
        is_final = isinstance(failed, (Lost, errors.NotFound))
        self._resting.lay(recording, paths, is_final=is_final)
        if not is_final:
            self._wounded.keep(recording, paths)
        if isinstance(failed, NotTaken):  # nor is the next one's taken
            raise failed
        return False

    async def _heal(self, recording: Recording, paths: set[str]) -> Exception | None:
        """What is still wrong with it. Raises NotFound when it is deleted, Unavailable."""
        length = await self._length(recording)
        if length is None:
            raise errors.NotFound
        self._copied = []
        try:
            failed = await self._make_whole(Expected(*recording, length), paths)
        except errors.Problem:
            await self._require(recording)
            raise
        await self._require(recording)
        return failed

    async def _make_whole(self, expected: Expected, paths: set[str]) -> Exception | None:
        recording = expected.client_id, expected.recording_id
        # Before it is opened: a zone that is away for an hour must not fill its client's log with openings.
        found = await healing.of_recording(self._zones, expected, self.is_recording)
        wrong = paths | {difference.path for difference in found if difference.kind != "surplus"}
        failed = await self._mend(recording, sorted(wrong), segment.count(expected.bytes) - 1) if wrong else None
        if failed is not None:
            return failed
        # Also when nothing was wrong: who copied it may have been killed before this.
        if len(await self._zones.settle(zone.prefix(*recording), self._zones.names)) < len(self._zones.names):
            raise Away("A zone does not keep what was copied.")
        async with database.translate(), self._door.pools.job.acquire() as connection:
            await store.mark_safe(connection, *recording)
        return None

    async def _mend(self, recording: Recording, paths: list[str], last: int) -> Exception | None:
        """Heals each of these objects; what is wrong with one of them still, and that one is lost if any is."""
        opening = await admit(self._door, self._keys, *recording, "healing a zone")
        failed: Exception | None = None
        for path in paths:
            wrong = await self._copy(recording, path, opening, last)
            if wrong is None:
                continue
            if await self._length(recording) is None:
                raise errors.NotFound from wrong  # deleted meanwhile: so it is rightly gone
            if isinstance(wrong, Lost):
                _log.error("a segment is lost in both zones", extra={"client_id": str(recording[0])})
                lost.inc()
            if not isinstance(failed, Lost):
                failed = wrong
        return failed

    async def _copy(self, recording: Recording, path: str, opening: Opening, last: int) -> Exception | None:
        """What is wrong with this object alone: the others are healed all the same."""
        number = int(path.rsplit("/", 1)[-1])
        accept = await opening.accept(number, is_last=number == last)
        try:
            self._copied += [(name, path) for name in await healing.heal(self._zones, path, accept)]
        except (Lost, Unreadable, Missing, Damaged) as wrong:
            return wrong
        finally:
            self._wounded.drop(recording, [path])
        return None

    async def _require(self, recording: Recording) -> None:
        """Raises NotFound when it was deleted meanwhile: nothing stays of what was copied after it was erased. What was
        not copied here does: its row may be missing by mistake (a restore), and then it has its day as any orphan.
        """
        if await self._length(recording) is None:
            self._unwanted += self._copied
            await self._take_back()
            raise errors.NotFound

    async def _take_back(self) -> None:
        """What a zone does not let go of is tried again in the next turn, and keeps nothing else."""
        away = set[str]()
        for name, path in list(self._unwanted):
            client_id, recording_id, _ = path.split("/")
            if name in away:
                continue
            # It is there again when the database was restored: then its copy is as good as any.
            if await self._length((UUID(client_id), UUID(recording_id))) is None:
                try:
                    await self._zones.take_back(name, path)
                except Broken:
                    continue
                except Away:
                    away.add(name)
                    continue
            self._unwanted.remove((name, path))

    async def _length(self, recording: Recording) -> int | None:
        async with database.translate(), self._door.pools.job.acquire() as connection:
            return await store.length_of(connection, *recording)

    async def is_recording(self, client_id: UUID, recording_id: UUID) -> bool:
        """Whether it is a recording, and not deleted."""
        return await self._length((client_id, recording_id)) is not None

    async def is_known(self, client_id: UUID, recording_id: UUID) -> bool:
        """Whether somebody looks after the objects of this recording."""
        async with database.translate(), self._door.pools.job.acquire() as connection:
            return await store.is_known(connection, client_id, recording_id)
