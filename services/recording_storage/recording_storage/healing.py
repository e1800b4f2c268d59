"""What the two zones hold, held against what they should: differences are told, healed, and orphans swept away.

Which recordings there are is asked of the caller; nothing is healed that the caller's check does not let pass. Whatever
is cut short can be begun again: what is done stays done.
"""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from uuid import UUID

from prometheus_client import Counter as Count
from prometheus_client import Gauge

from recording_storage import segment, zone
from recording_storage.holder import Away, Missing
from recording_storage.segment import Damaged
from recording_storage.zone import Lost, Zones

Asked = Callable[[UUID, UUID], Awaitable[bool]]
"""Of (client, recording), after its objects were seen: whether it is a recording; or whether it is known at all, also
as an upload or a removal under way. The row of an upload is written before its first object, so what is unknown then
belongs to nobody."""

Kind = Literal["missing", "length", "surplus", "orphan", "foreign", "unreadable"]

healed = Count("konci_zone_healed", "Objects written anew into this zone", ["zone"])
swept = Count("konci_zone_swept", "Recordings without a row of which this zone holds nothing any more", ["zone"])
differences_found = Gauge("konci_zone_differences", "What the last comparison found", ["zone", "kind"])


@dataclass(frozen=True, slots=True)
class Expected:
    """A recording that the database has. `bytes`: of audio."""

    client_id: UUID
    recording_id: UUID
    bytes: int

    def lengths(self) -> dict[str, int]:
        """Path and length of each of its objects: 2 049 for the longest recording."""
        parts = [*range(0, self.bytes, segment.SEGMENT), self.bytes]
        return {
            zone.path(self.client_id, self.recording_id, number): segment.sealed_length(end - start)
            for number, (start, end) in enumerate(pairwise(parts))
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as it should be. `surplus`: of a known recording, beyond its end. `foreign`: not ours.

    `unreadable`: the zone answers, and cannot list this recording; of no recording ("") what nobody owns.
    """

    zone: str
    path: str
    kind: Kind


class Unreadable(Away):
    """A zone that answers cannot give it, and the other does not have it: nobody knows whether it is lost."""


class NotTaken(Away):
    """A zone takes no copy: it is full, may only be read, or is away since."""


async def heal(zones: Zones, path: str, accept: Callable[[memoryview], object]) -> frozenset[str]:
    """Makes both zones hold what `accept` lets pass; the zones that were written.

    Raises Lost when neither holds it, Unreadable, NotTaken, and Away when a zone does not answer. Missing or Damaged:
    it was erased meanwhile, or reads back otherwise than it was written.
    """
    good, wrong = [], []
    unreadable: Away | None = None
    for name in zones.names:
        try:
            await zones.read(name, path, accept)
        except (Missing, Damaged):
            wrong.append(name)
        except Away as away:
            if not await zones.answers(name):
                raise
            unreadable = away  # a bad place of a disk that is well otherwise: written anew, it is in another one
            wrong.append(name)
        else:
            good.append(name)
    if not good and unreadable is not None:
        raise Unreadable("A zone cannot give what the other does not have.") from unreadable
    if not good:
        raise Lost(path)
    for target in wrong:
        try:
            await zones.copy(path, good[0], target, accept)
        except Away as away:
            raise NotTaken(f"Zone {target} takes no copy.") from away
        healed.labels(target).inc()
    return frozenset(wrong)


async def differences(
    zones: Zones, expected: AsyncIterable[Expected], is_recording: Asked, is_known: Asked
) -> AsyncIterator[Difference]:
    """Each difference between both zones and the database. Holds one recording at a time.

    Raises Unavailable when a zone goes away.
    """
    found: Counter[tuple[str, str]] = Counter()
    async for difference in _differences(zones, expected, is_recording, is_known):
        found[difference.zone, difference.kind] += 1
        yield difference
    for name in zones.names:  # only a comparison that came to its end says how many there are
        for kind in Kind.__args__:  # type: ignore[attr-defined]  # a Literal knows its words
            differences_found.labels(name, kind).set(found[name, kind])


async def _differences(
    zones: Zones, expected: AsyncIterable[Expected], is_recording: Asked, is_known: Asked
) -> AsyncIterator[Difference]:
    async for recording in expected:
        for name in zones.names:
            for difference in await _skipping(zones, name, recording, is_recording):
                yield difference
    for name in zones.names:
        try:
            async for difference in _without_row(zones, name, is_known):
                yield difference
        except Away:
            if not await zones.answers(name):
                raise
            yield Difference(name, "", "unreadable")


async def _skipping(zones: Zones, name: str, recording: Expected, is_recording: Asked) -> list[Difference]:
    """Its differences; one that cannot be listed holds up no other. Raises Away when the zone does not answer."""
    for _ in range(2):  # one call in a million that fails is no difference
        try:
            return await _of_recording(zones, name, recording, is_recording)
        except Away:
            if not await zones.answers(name):
                raise
    return [Difference(name, zone.prefix(recording.client_id, recording.recording_id), "unreadable")]


async def of_recording(zones: Zones, recording: Expected, is_recording: Asked) -> list[Difference]:
    """What is to be healed of one recording. Raises Unavailable."""
    return [found for name in zones.names for found in await _of_recording(zones, name, recording, is_recording)]


async def _of_recording(zones: Zones, name: str, recording: Expected, is_recording: Asked) -> list[Difference]:
    wanted, found = recording.lengths(), list[Difference]()
    async for stored in zones.stored(name, zone.prefix(recording.client_id, recording.recording_id)):
        length = wanted.pop(stored.path, None)
        if length != stored.bytes:
            found.append(Difference(name, stored.path, "surplus" if length is None else "length"))
    found += [Difference(name, path, "missing") for path in wanted]
    # Deleted since the database was read: then its objects are rightly gone.
    return found if found and await is_recording(recording.client_id, recording.recording_id) else []


async def _without_row(zones: Zones, name: str, is_known: Asked) -> AsyncIterator[Difference]:
    async for belongs, path in _recordings(zones, name):
        if belongs is None:
            yield Difference(name, path, "foreign")
        elif not await is_known(*belongs) and await _is_there(zones, name, zone.prefix(*belongs)):
            yield Difference(name, zone.prefix(*belongs), "orphan")


async def _is_there(zones: Zones, name: str, prefix: str) -> bool:
    # Asked again: its removal may have come to its end after it was listed.
    return any([True async for _ in zones.stored(name, prefix)])


async def _recordings(zones: Zones, name: str) -> AsyncIterator[tuple[tuple[UUID, UUID] | None, str]]:
    """Of each recording, whose objects are in a row: which it is, and the path of the first."""
    before: tuple[UUID, UUID] | None = None
    async for stored in zones.stored(name):
        belongs = zone.belongs(stored.path)
        if belongs is None or belongs != before:
            yield belongs, stored.path
        before = belongs


async def sweep(zones: Zones, is_known: Asked, due: AsyncIterable[tuple[UUID, UUID]]) -> int:
    """Erases, in both zones, what of `due` is still unknown; how many recordings. One zone away: it is done later."""
    erased = 0
    async for belongs in due:
        if await is_known(*belongs):
            continue
        gone = await zones.erase(zone.prefix(*belongs))
        for name in gone:
            swept.labels(name).inc()
        erased += len(gone) == len(zones.names)
    return erased
