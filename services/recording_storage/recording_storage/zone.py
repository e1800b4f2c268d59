"""The two zones that hold the sealed segments: written to both at once, read from the first that answers rightly.

Nothing leaves by `read` or `get` but what the caller's check let pass, and no path names anything outside its zone.
Each call to a zone has a time limit, save the walk for debris through all of it; a zone that hangs holds up neither its
neighbour nor a second call.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter
from pydantic import SecretStr

from guard import errors
from recording_storage.bucket import Bucket
from recording_storage.folder import Folder
from recording_storage.holder import Away, Broken, Holder, Missing, Stored
from recording_storage.segment import Damaged

_log = logging.getLogger("recording_storage.zone")
_PATH = re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/){2}[0-9]{6}")
_PREFIX = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?")
_SEGMENTS = 10**6  # of a recording: the path gives its number six digits
_PASSES = 3  # of listing and erasing: what is written meanwhile is found by the next

Wounds = Callable[[str, str, str], None]
"""Told of zone, path, and what was wrong: "missing", "damaged", "unreadable" (in a zone that answers), or "away"
(nothing to heal there, only to wait for)."""

T = TypeVar("T")

wounds_seen = Counter("konci_zone_wounds", "Objects that a zone did not give rightly", ["zone", "kind"])
degraded = Counter("konci_zone_degraded_writes", "Objects that this zone does not hold and the other does", ["zone"])


class Lost(Exception):
    """Both zones answered, and neither has the object as it was written."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a zone is: a folder (`/…`) or a bucket (`https://host[:port]/bucket`) with what opens it."""

    at: str
    region: str = "us-east-1"
    key_id: SecretStr | None = None
    key_secret: SecretStr | None = None
    ca: str | None = None  # the roots that its certificate is held against, instead of the machine's


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """The two places, and how long one of them may take for one call."""

    places: tuple[Place, Place]
    seconds: float = 5.0


def path(client_id: UUID, recording_id: UUID, number: int) -> str:
    """Where a segment is, in either zone."""
    if not 0 <= number < _SEGMENTS:
        raise ValueError("a recording has at most a million segments")
    return f"{prefix(client_id, recording_id)}/{number:06d}"


def prefix(client_id: UUID, recording_id: UUID) -> str:
    """Below which all segments of a recording are."""
    return f"{client_id}/{recording_id}"


def open_zones(settings: ZoneSettings, wounds: Wounds) -> "Zones":
    """The two zones, "a" and "b". Nothing is asked of them yet: `prepare` comes next. Raises ValueError."""
    first, second = (_holder(name, place, settings.seconds) for name, place in zip("ab", settings.places, strict=True))
    return Zones(first, second, wounds)


def _holder(name: str, place: Place, seconds: float) -> Holder:
    if place.at.startswith("/"):
        return Holder(name, Folder(place.at), seconds)
    if place.key_id is None or place.key_secret is None:
        raise ValueError(f"zone {name} is a bucket, and nothing was given that opens it")
    bucket = Bucket(
        place.at, region=place.region, key_id=place.key_id, key_secret=place.key_secret, ca=place.ca, seconds=seconds
    )
    return Holder(name, bucket, seconds)


async def _done(zones: Sequence[Holder], work: Sequence[Awaitable[None]]) -> frozenset[str]:
    """In which zones it was done, all at once."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException) and not isinstance(outcome, (Away, Missing)):
            raise outcome
    return frozenset(zone.name for zone, outcome in zip(zones, done, strict=True) if outcome is None)


class Zones:
    """Both of them. Made by `open_zones`."""

    def __init__(self, first: Holder, second: Holder, wounds: Wounds) -> None:
        self.names: tuple[str, str] = (first.name, second.name)
        self._both = (first, second)
        self._wounds = wounds

    async def prepare(self, set_id: UUID | None, *, is_new: bool) -> None:
        """Says whose they are: before this, and with another database's mark, a zone counts as away.

        `is_new` (this database has never taken them into use) makes and marks them, and raises Unavailable when one
        cannot be; later a zone without its mark counts as away: a disk that is not mounted must not be written beside.
        """
        for zone in self._both:
            zone.belong_to(set_id)
        for zone in self._both if is_new else ():
            await zone.adopt()

    async def adopt(self, name: str) -> None:
        """Takes an empty place as zone `name`, instead of one that was lost. Raises Unavailable."""
        await self._named(name).adopt()

    async def answers(self, name: str) -> bool:
        """Whether the zone answers as itself now."""
        return await self._named(name).look()

    async def look(self) -> None:
        """Looks at both at once: it keeps `konci_zone_up` true while nobody calls."""
        await asyncio.gather(*(zone.look() for zone in self._both))

    async def put(self, path: str, body: bytes) -> frozenset[str]:
        """Writes to both at once; the zones that hold it now, for good once it is settled. Raises Unavailable when
        neither does.
        """
        client = _client(_checked(path, _PATH))
        rested = [zone for zone in self._both if not zone.refuses(client)] or list(self._both)
        held = await self._write(rested, path, body)
        if not held:
            held = await self._write([zone for zone in self._both if zone not in rested], path, body)
        if not held:
            raise errors.Unavailable("No zone stores recordings at the moment.")
        for name in set(self.names) - held:
            degraded.labels(name).inc()
        return held

    async def _write(self, zones: list[Holder], path: str, body: bytes) -> frozenset[str]:
        held = await _done(zones, [zone.write(path, body) for zone in zones])
        for zone in zones:
            if zone.name not in held:
                zone.took_nothing(_client(path))
        return held

    async def settle(self, prefix: str, names: Collection[str]) -> frozenset[str]:
        """What was put below `prefix` (a recording's) into the zones `names` outlives a power cut from now on; in which
        of them it does. Before this, nobody may be told that it is stored.
        """
        _checked(prefix, _PREFIX)
        zones = [zone for zone in self._both if zone.name in names]
        return await _done(zones, [zone.settle(prefix) for zone in zones])

    async def get(self, path: str, accept: Callable[[memoryview], T]) -> T:
        """What `accept` makes of the object, from the first zone whose bytes it does not refuse by raising Damaged.

        What was wrong with the other is reported to `wounds`. Raises Lost, or Unavailable when a zone that may have it
        does not answer.
        """
        answered = 0
        for zone in sorted(self._both, key=lambda zone: zone.is_read_last):
            try:
                return await self.read(zone.name, path, accept)
            except (Missing, Damaged):
                answered += 1
            except Away:
                continue
        if answered == len(self._both):
            raise Lost(path)
        raise errors.Unavailable("No zone gives this recording at the moment.")

    async def read(self, name: str, path: str, accept: Callable[[memoryview], T]) -> T:
        """The same from one zone. Raises Missing, Damaged, Away."""
        try:
            return accept(await self._named(name).read(_checked(path, _PATH)))
        except (Missing, Damaged, Away) as wrong:
            kind = "unreadable" if isinstance(wrong, Broken) else type(wrong).__name__.lower()
            wounds_seen.labels(name, kind).inc()
            self._wounds(name, path, kind)
            raise

    async def copy(self, path: str, source: str, target: str, accept: Callable[[memoryview], object]) -> None:
        """From one zone into the other: only what `accept` lets pass, and read back; to be settled as a `put` is.

        Raises Missing, Damaged, Away.
        """

        def passed(body: memoryview) -> memoryview:
            accept(body)
            return body

        body = await self.read(source, path, passed)
        await self._named(target).write(path, body)
        if bytes(await self._named(target).read(path)) != bytes(body):
            await self._named(target).delete([path])  # of the right length, perhaps: no listing would show it
            raise Damaged("it reads back otherwise than it was written")

    async def take_back(self, name: str, path: str) -> None:
        """Deletes one object of one zone, as a copy that must not stay. Raises Away."""
        await self._named(name).delete([path])

    async def erase(self, prefix: str) -> frozenset[str]:
        """Erases all below `prefix` (a client's or a recording's), debris too; the zones in which nothing is left."""
        _checked(prefix, _PREFIX)
        done = await asyncio.gather(*(self._erase_in(zone, prefix) for zone in self._both), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Away):
                raise outcome
        return frozenset(zone.name for zone, outcome in zip(self._both, done, strict=True) if outcome is True)

    async def _erase_in(self, zone: Holder, prefix: str) -> bool:
        await zone.clear(prefix, timedelta(0))
        for _ in range(_PASSES):
            is_empty = True
            async for chunk in zone.chunks(prefix):
                is_empty = False
                await zone.delete([stored.path for stored in chunk])
            if is_empty:
                return True
        return False

    async def stored(self, name: str, prefix: str = "") -> AsyncIterator[Stored]:
        """All that a zone holds (below `prefix`), as a stream; the objects of one recording follow one another.

        Raises Away, also in the middle.
        """
        if prefix:
            _checked(prefix, _PREFIX)
        async for chunk in self._named(name).chunks(prefix):
            for stored in chunk:
                yield stored

    async def clear_debris(self, older_than: timedelta) -> int:
        """Removes what killed processes left half-written so long ago; how many files. A zone that is away waits."""
        removed = 0
        for zone in self._both:
            try:
                removed += await zone.clear("", older_than)
            except Away as away:
                _log.warning("debris waits", extra={"origin": zone.name, "error": type(away).__name__})
        return removed

    def _named(self, name: str) -> Holder:
        return self._both[self.names.index(name)]


def belongs(path: str) -> tuple[UUID, UUID] | None:
    """Client and recording of a path; None for what no `put` of ours has written."""
    if _PATH.fullmatch(path) is None:
        return None
    client_id, recording_id, _ = path.split("/")
    return UUID(client_id), UUID(recording_id)


def _client(path: str) -> str:
    return path.partition("/")[0]


def _checked(path: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(path) is None:
        raise ValueError("a path in a zone is made by path() or prefix()")
    return path
