"""Audio on its way in: examined, hashed, cut into segments, sealed and stored in both zones. A segment is held
at most, and a sealed one.

No database here: what was stored and then refused is its caller's to sweep.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from guard import errors
from recording_storage import zone
from recording_storage.audio import Examiner
from recording_storage.effort import Effort
from recording_storage.segment import SEGMENT, Sealer
from recording_storage.zone import Zones

_LOOK = 2**16  # bytes that the examiner gets at once: it keeps a copy of them


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of audio once all of it is stored."""

    length: int  # bytes
    sha256: bytes
    duration_ms: int
    is_degraded: bool  # one zone lacks a part of it, or may lack one after a power cut


class Writer:
    """Writes one recording."""

    def __init__(self, zones: Zones, sealer: Sealer, place: tuple[UUID, UUID], media_type: str, effort: Effort) -> None:
        """`place` is its client's id and its own."""
        self._zones = zones
        self._sealer = sealer
        self._place = place
        self._effort = effort
        self._examiner = Examiner(media_type)
        self._digest = hashlib.sha256()
        self._room = bytearray(SEGMENT)  # for as long as it lasts: a fresh one for each segment costs 256 page faults
        self._filled = 0  # bytes of it
        self._length = 0
        self._number = 0
        self._held: frozenset[str] = frozenset()  # by these zones, or a part of it
        self._alone: frozenset[str] = frozenset()  # zones that hold a part of it alone
        self._storing: asyncio.Task[None] | None = None

    async def write(self, pieces: AsyncIterable[bytes]) -> Written:
        """Stores all of it. Raises NotAudio, Unavailable when no zone keeps it, and whatever ends `pieces`."""
        async for piece in pieces:
            await self._take(memoryview(piece))
        if self._filled:  # of no byte there is nothing to store, and the examiner says so
            await self._pass_on(is_last=True)
            await self._stored()
        duration_ms = await self._effort.spend(self._place[0], self._examiner.finish)
        self._let_go()
        is_degraded = await self._settle()
        return Written(self._length, self._digest.digest(), duration_ms, is_degraded)

    async def rest(self) -> None:
        """Waits until nothing is being stored any more, whatever came of it: only then may it be swept."""
        try:
            if self._storing is not None:
                await asyncio.wait({self._storing})
                self._storing.exception()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Of its room: whoever holds it may be long in going."""
        self._room = bytearray()

    async def _take(self, piece: memoryview) -> None:
        while piece:
            if self._filled == SEGMENT:  # and there is more: so it is not the last
                await self._pass_on(is_last=False)
            part = piece[: SEGMENT - self._filled]
            # By a view: a bytearray's own slice takes a copy of it first.
            memoryview(self._room)[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            piece = piece[len(part) :]

    async def _pass_on(self, *, is_last: bool) -> None:
        await self._stored()  # the one before: what is sealed waits for nobody
        if not self._examiner.pass_over(self._filled):  # else there is nothing to spend
            await self._effort.spend(self._place[0], partial(self._examine, self._plain()))
        # In a thread: with 20 uploads at once the loop was late by half of what it was otherwise, at the same speed.
        sealed = await asyncio.to_thread(self._seal, self._number, self._plain(), is_last=is_last)
        self._storing = asyncio.create_task(self._store(self._number, sealed))
        self._length += self._filled
        self._number += 1
        self._filled = 0

    async def _stored(self) -> None:
        # Shielded: a caller that is cancelled must not leave a half-written object that nobody waits for.
        if self._storing is not None:
            await asyncio.shield(self._storing)

    async def _store(self, number: int, sealed: bytes) -> None:
        held = await self._zones.put(zone.path(*self._place, number), sealed)
        self._held |= held
        if len(held) < len(self._zones.names):
            self._alone |= held

    async def _settle(self) -> bool:
        """Whether it is degraded. Nothing is committed before this: a power cut takes what is not settled."""
        settled = await self._zones.settle(zone.prefix(*self._place), self._held)
        if not settled or not self._alone <= settled:
            raise errors.Unavailable("No zone keeps this recording for good at the moment.")
        return bool(self._alone) or len(settled) < len(self._zones.names)

    def _plain(self) -> memoryview:
        """What has come in of this segment; for one thread, which lets go of it."""
        return memoryview(self._room)[: self._filled]

    def _examine(self, plain: memoryview) -> None:
        with plain:  # else what fails holds its room, for as long as its traceback is held
            for start in range(0, len(plain), _LOOK):
                self._examiner.feed(bytes(plain[start : start + _LOOK]))

    def _seal(self, number: int, plain: memoryview, *, is_last: bool) -> bytes:
        with plain:
            self._digest.update(plain)
            return self._sealer.seal(number, plain, is_last=is_last)
