"""One zone as it is called: with a time limit, a bound on calls under way, its mark, and its metrics.

Only what may be said to somebody goes into a log: the texts of the store's errors hold addresses and paths.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from obstore.exceptions import BaseError
from prometheus_client import Counter, Gauge, Histogram

from guard import errors
from recording_storage.bucket import Bucket
from recording_storage.folder import Folder
from recording_storage.mark import MARK, NotItself, Occupied, OfAnother
from recording_storage.underway import UnderWay

_log = logging.getLogger("recording_storage.zone")
_TIRED = 5.0  # seconds for which a zone that failed is asked last
_GLANCE = 1.0  # seconds for which its mark is waited for, when a call has failed: one that hangs has taken its limit
_CHUNK = 100  # objects listed or deleted in one call
_STRANGE = (
    "a zone is not of this database, and nothing is written or erased in it: see the runbook zones-of-another-database"
)

T = TypeVar("T")

up = Gauge("konci_zone_up", "Whether the zone answered its last call, and carried its mark", ["zone"])
seconds = Histogram(
    "konci_zone_seconds", "Calls to a zone that were answered", ["zone", "operation"],
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 5, 10),
)  # fmt: skip
failures = Counter("konci_zone_failures", "Calls to a zone that failed or took too long", ["zone", "operation"])
moved = Counter("konci_zone_bytes", "Bytes of objects written and read", ["zone", "operation"])


class Missing(Exception):
    """The zone answers, and has no such object."""


class Away(errors.Unavailable):
    """The zone does not answer, not in time, or not as itself."""


class Broken(Away):
    """The zone answers as itself, and does not do this: what is wrong is one object, or one folder."""


class _TakesNothing(Exception):
    """Of more than one client."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the zone lists it."""

    path: str
    bytes: int
    modified: datetime


class Holder:
    """A zone by its name."""

    def __init__(self, name: str, place: Folder | Bucket, limit: float) -> None:
        self.name = name
        self._place = place
        self._limit = limit
        self._under_way = UnderWay(limit)
        self._failed_at: float | None = None
        self._broken_at: float | None = None  # when it last did not do something, though it answered as itself
        self._refused: dict[str, float] = {}  # clients of whom it took nothing though it answered, and when
        self._itself_at: float | None = None  # when its mark was seen, if nothing failed since
        self._own_mark = b""

    @property
    def is_tired(self) -> bool:
        """Whether it failed just now."""
        return _is_just_now(self._failed_at)

    @property
    def is_read_last(self) -> bool:
        """Whether it failed just now, or failed with one object: of a disk that goes, its mark may be remembered."""
        return self.is_tired or _is_just_now(self._broken_at)

    def refuses(self, client: str) -> bool:
        """Whether it is not to be written for this client now."""
        return self.is_tired or _is_just_now(self._refused.get(client))

    def took_nothing(self, client: str) -> None:
        """Notes a write that failed. It is one client's folder; or of two, so a disk that is full, or may only be read:
        its mark is there as ever.
        """
        if self.is_tired:
            return
        self._refused = {one: at for one, at in self._refused.items() if _is_just_now(at)}
        self._refused[client] = time.monotonic()
        if len(self._refused) > 1:
            self._tire(_TakesNothing())

    def belong_to(self, set_id: UUID | None) -> None:
        """Says what its mark names; None: it was marked before there was a name."""
        named = "" if set_id is None else f", of {set_id}"
        own = f"konci recordings, zone {self.name}{named}\n".encode()
        if own != self._own_mark:
            self._own_mark, self._itself_at = own, None

    async def look(self) -> bool:
        """Whether it answers as itself."""
        try:
            await self._call("look", MARK, self._be_itself)
        except Away:
            return False
        return True

    async def adopt(self) -> None:
        """Makes an empty place this zone's. Raises Away when it cannot be, is another's, or holds what is not ours."""

        async def adopt() -> None:
            await self._place.make()
            if await self._place.mark() is None:
                store = await self._place.store()
                async for _ in store.list(chunk_size=1):
                    raise Occupied("there are objects, and no mark")
                await self._place.put(MARK, self._own_mark)
                await self._place.settle("")
            await self._be_itself()

        await self._call("adopt", "", adopt)

    async def write(self, path: str, body: bytes | memoryview) -> None:
        """Writes an object, whole or not at all; a power cut may take it until `settle`. Raises Away."""

        async def write() -> None:
            seen = self._itself_at
            is_known = seen is not None and time.monotonic() - seen < self._place.believed
            await self._place.put(path, body, None if is_known else self._recognise)

        await self._call("write", path, write)
        self._under_way.forget(("read", path))
        moved.labels(self.name, "write").inc(len(body))

    async def settle(self, below: str) -> None:
        """What was written into `below` outlives a power cut from now on. Raises Missing (there is nothing), Away."""

        async def settle() -> None:
            try:
                await self._place.settle(below)
            except FileNotFoundError as absent:
                await self._be_itself()
                raise Missing(below) from absent

        if self._place.must_settle:
            await self._call("settle", below, settle)

    async def read(self, path: str) -> memoryview:
        """An object. Raises Missing, Away, and segment.Damaged for what is longer than any segment."""

        async def read() -> memoryview:
            try:
                return await self._place.get(path)
            except FileNotFoundError as absent:
                await self._be_itself()  # a zone that is not there has no object either
                raise Missing(path) from absent

        body = await self._call("read", path, read)
        moved.labels(self.name, "read").inc(len(body))
        return body

    async def delete(self, paths: Sequence[str]) -> None:
        """Deletes objects; what is gone already stays gone. Raises Away."""

        async def delete() -> None:
            await self._place.stay_inside({_folder(path) for path in paths})
            store = await self._place.store()
            try:
                await store.delete_async(paths)
            except FileNotFoundError:  # a folder's; the others of this call are deleted, or found by the next pass
                return

        await self._call("delete", _folder(paths[0]), delete)

    async def chunks(self, below: str) -> AsyncIterator[list[Stored]]:
        """All objects below `below`, as they are listed. Raises Away."""

        async def begin() -> Any:
            await self._be_itself()
            await self._place.stay_inside([below])
            return (await self._place.store()).list(below or None, chunk_size=_CHUNK)

        async def more() -> list[Stored] | None:
            try:
                chunk = [Stored(m["path"], m["size"], m["last_modified"]) for m in await anext(stream)]
            except StopAsyncIteration:
                return None
            await self._place.stay_inside({_folder(stored.path) for stored in chunk})
            return chunk

        stream = await self._call("list", below, begin)
        while (chunk := await self._call("list", below, more)) is not None:
            yield [stored for stored in chunk if stored.path != MARK]

    async def clear(self, below: str, older_than: timedelta) -> int:
        """Removes half-written files; how many. All of a zone ("") it walks without a time limit. Raises Away."""

        async def clear() -> int:
            await self._be_itself()
            return await self._place.clear(below, older_than)

        return await self._call("clear", below, clear, is_bounded=bool(below))

    async def _be_itself(self) -> None:
        self._recognise(await self._place.mark())

    def _recognise(self, found: bytes | None) -> None:
        if found is None or not self._own_mark:
            raise NotItself("there is no mark, or it is not known yet which one it must be")
        if found != self._own_mark:
            raise OfAnother("there is another mark")
        self._itself_at = time.monotonic()

    async def _call(
        self, operation: str, path: str, work: Callable[[], Coroutine[Any, Any, T]], *, is_bounded: bool = True
    ) -> T:
        began = time.monotonic()
        # Its mark is tried each time: a disk that was exchanged is another one, though what hung in it hangs for ever.
        asked = None if operation == "look" else (operation, path)
        try:
            async with asyncio.timeout(self._limit if is_bounded else None):
                result = await self._under_way.run(asked, work)
        except (TimeoutError, OSError, BaseError) as failed:
            failures.labels(self.name, operation).inc()
            if operation == "look" or isinstance(failed, NotItself) or not await self._is_well():
                raise self._away(failed) from failed
            raise self._broken(failed) from failed
        seconds.labels(self.name, operation).observe(time.monotonic() - began)
        if self._itself_at is not None:  # else it gives what it is asked for, and whose it is is not known
            up.labels(self.name).set(1)
        return result

    async def _is_well(self) -> bool:
        """Whether it answers as itself though a call to it has just failed."""
        try:
            async with asyncio.timeout(_GLANCE):
                await self._under_way.run(None, self._be_itself)
        except (TimeoutError, OSError, BaseError):
            return False
        return True

    def _away(self, failed: Exception) -> Away:
        self._tire(failed)
        return Away(f"Zone {self.name} does not answer.")

    def _tire(self, failed: Exception) -> None:
        if not self.is_tired:
            _log.warning("a zone is away", extra={"origin": self.name, "error": type(failed).__name__})
            if isinstance(failed, OfAnother | Occupied):
                wanted = f"its mark would be: {self._own_mark.decode().strip()}"
                _log.error(_STRANGE, extra={"origin": self.name, "cause": wanted})
        self._failed_at, self._itself_at = time.monotonic(), None
        up.labels(self.name).set(0)

    def _broken(self, failed: Exception) -> Broken:
        if not self.is_read_last:
            _log.warning("a zone does not do one thing", extra={"origin": self.name, "error": type(failed).__name__})
        self._broken_at = time.monotonic()
        return Broken(f"Zone {self.name} does not do this.")


def _is_just_now(at: float | None) -> bool:
    return at is not None and time.monotonic() - at < _TIRED


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
