"""Audio on its way out: the segments that a span touches, opened one by one, the next one fetched meanwhile.

Nothing leaves here but bytes that were authenticated as this place of this recording.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from recording_storage import segment, span, zone
from recording_storage.key import Keys
from recording_storage.recording import RecordingRow
from recording_storage.segment import SEGMENT
from recording_storage.span import Span
from recording_storage.zone import Zones

Wrapped = Callable[[], Awaitable[str]]
"""The recording's key, wrapped, as it is stored now. Raises NotFound once it is destroyed."""


class Reader:
    """Reads one recording for one listener."""

    def __init__(self, zones: Zones, keys: Keys, client_id: UUID, row: RecordingRow, wrapped: Wrapped) -> None:
        self._zones = zones
        self._keys = keys
        self._place = (client_id, row.recording_id)
        self._wrapped = wrapped
        self._last = segment.count(row.length) - 1
        self._next: asyncio.Task[memoryview] | None = None
        # While one is listened to, the other is filled. Fresh ones for each segment cost page faults by the hundred.
        self._rooms: dict[int, bytearray] = {}

    async def begin(self, part: Span) -> None:
        """Fetches its first segment, so that what cannot be had is known before the answer begins. Raises as `read`."""
        self._next = asyncio.ensure_future(self._open(span.segments(part)[0]))
        await asyncio.shield(self._next)

    async def read(self, part: Span) -> AsyncIterator[memoryview]:
        """The span, segment by segment, each until the next is asked for.

        Raises Lost, Unavailable, and NotFound when its key is destroyed.
        """
        first, last = span.segments(part)
        for number in range(first, last + 1):
            fetched = self._next or asyncio.ensure_future(self._open(number))
            plain = await fetched
            self._next = asyncio.ensure_future(self._open(number + 1)) if number < last else None
            with plain, plain[span.piece(part, number)] as piece:  # no use of it outlives its turn
                yield piece

    async def close(self) -> None:
        """Lets go of what was fetched in advance, and of its rooms: whoever held it may be long in going."""
        try:
            if self._next is not None:
                self._next.cancel()
                await asyncio.wait({self._next})
                if not self._next.cancelled():
                    self._next.exception()
        finally:
            self._next = None
            self._rooms.clear()

    async def _open(self, number: int) -> memoryview:
        # Each time: a key is held for a minute at most, however long somebody listens. It is opened again only while it
        # is there: with the one of its admission a play would outlive a deletion, in a zone that keeps the objects.
        sealer = self._keys.held(*self._place) or await self._keys.sealer(*self._place, await self._wrapped())

        # Not in a thread: opening a MiB takes 0.6 ms; with 20 plays at once handing it over cost a fifth of the speed,
        # and the loop was as late.
        def accept(sealed: memoryview) -> memoryview:
            return sealer.open(number, sealed, is_last=number == self._last, room=self._room(number))

        return await self._zones.get(zone.path(*self._place, number), accept)

    def _room(self, number: int) -> bytearray:
        if number % 2 not in self._rooms:
            self._rooms[number % 2] = bytearray(SEGMENT)
        return self._rooms[number % 2]
