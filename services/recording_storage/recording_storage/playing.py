"""A play on its way to its listener: admitted before its first byte, its outcome in the log, only authenticated bytes.

What cannot be read or recorded breaks the connection: a listener never takes a part for the whole.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from fastapi import Response
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from events.access import Action, Outcome
from guard import errors, standing, tenant
from guard.access import Entry
from guard.ending import Ending
from guard.identity import Caller
from recording_storage.archive import Archive
from recording_storage.reader import Reader
from recording_storage.recording import RESOURCE, RecordingRow
from recording_storage.span import Span, wanted
from recording_storage.store import recording as store
from recording_storage.zone import Lost

_PIECE = 2**18  # bytes handed to the server at once: it copies each, encrypted, before it waits for the listener
_LONGEST = 4 * 3600.0  # seconds of one play: two GiB of the least compressed audio, listened to as it is spoken
_ENDINGS = {"audio/flac": "flac", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/wav": "wav"}

_log = logging.getLogger("recording_storage.playing")
lost = Counter("konci_recording_lost", "Plays that met a segment which neither zone gives as it was written")


class _Left(Exception):
    """The listener has gone."""


@dataclass(frozen=True, slots=True)
class Order:
    """A play as it was admitted; `admission` is that access event's id. `part` is None for the whole."""

    caller: Caller
    row: RecordingRow
    wrapped: str
    part: Span | None
    admission: UUID

    @property
    def span(self) -> Span:
        """The bytes to be sent."""
        return self.part or Span(0, self.row.length - 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a player's headers say of the part it wants."""

    part: str | None
    if_range: str | None


async def admit(archive: Archive, door: Entry, caller: Caller, recording_id: UUID, asked: Asked) -> Order:
    """Lets a play begin: committed before its first byte. Raises NotFound, Unsatisfiable, Unavailable."""
    refused: errors.Unsatisfiable | None = None
    part: Span | None = None
    async with door.open(caller, Action.RECORDING_PLAY) as access:
        row = await store.find_recording(access, recording_id)
        wrapped = await store.find_wrapped_key(access, recording_id)
        try:
            part = wanted(asked.part, asked.if_range, row.etag, row.length)
            await archive.keys.sealer(caller.client_id, recording_id, wrapped)
        except errors.Unsatisfiable as wrong:
            # The answer tells how long the recording is: an access, if not to a byte of it.
            refused, access.outcome = wrong, Outcome.FAILED
        except errors.NotFound:
            access.missed(RESOURCE, recording_id)  # its client's key is destroyed, and with it this one
    if refused is not None:
        raise refused
    return Order(caller, row, wrapped, part, access.event_id)


def headers(row: RecordingRow, part: Span | None) -> dict[str, str]:
    """Of an answer with this part of the audio, or with all of it."""
    told = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        # A name of ours, never of who sent it (ASVS V5.4.1).
        "Content-Disposition": f'attachment; filename="{row.recording_id}.{_ENDINGS[row.content_type]}"',
        "Content-Length": str(row.length if part is None else part.length),
        "Content-Type": row.content_type,
        "ETag": row.etag,
    }
    return told if part is None else {**told, "Content-Range": part.content_range(row.length)}


class Playing(Response):
    """The audio. Made by `begin`; two segments of it are held at most."""

    def __init__(self, archive: Archive, door: Entry, order: Order) -> None:
        super().__init__(status_code=200 if order.part is None else 206, headers=headers(order.row, order.part))
        self._archive = archive
        self._door = door.door
        self._order = order
        self._reader = Reader(archive.zones, archive.keys, order.caller.client_id, order.row, self._wrapped)
        self._sent = 0
        self._fault: Exception | None = None
        self._ending = Ending(order.admission, self._record)

    async def begin(self) -> None:
        """Has the first segment. Raises Unavailable, or Problem when it is damaged in both zones; that is the end."""
        try:
            await self._reader.begin(self._order.span)
        except BaseException as broken:
            await self._break(broken)
            if isinstance(broken, Lost):
                raise errors.Problem("This recording is damaged; whoever looks after it has been told.") from broken
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Sends it. A server that gets less than was announced closes the connection."""
        leaving = asyncio.ensure_future(_left(receive))
        try:
            async with asyncio.timeout(_LONGEST):
                await self._play(send, leaving)
        except (_Left, errors.Unauthenticated, TimeoutError):
            _log.info("play cut", extra={"count": self._sent})
        except (Lost, errors.Problem) as broken:
            self._fault = broken
            _log.warning("play broken off", extra={"error": type(broken).__name__, "count": self._sent})
        except BaseException as broken:
            self._fault = broken if isinstance(broken, Exception) else None
            raise
        finally:
            leaving.cancel()
            self._ending.settle()
            await self._reader.close()

    async def _play(self, send: Send, leaving: "asyncio.Future[None]") -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = self._order.span.length
        async with standing.watched(self._archive.revocations, self._order.caller) as watching:
            async for plain in self._reader.read(self._order.span):
                for piece in _pieces(plain):
                    left -= len(piece)
                    if watching.done():
                        watching.result()
                    if leaving.done():
                        raise _Left
                    if not left:
                        await self._complete(len(piece))
                    await send({"type": "http.response.body", "body": piece, "more_body": bool(left)})
                    self._sent += len(piece)

    async def _wrapped(self) -> str:
        # Not through the door: this play is in the log. With the database away it goes on as it was admitted.
        client_id, row = self._order.caller.client_id, self._order.row
        try:
            async with tenant.transaction(
                self._door.pools.request, self._order.caller, self._door.seal_key
            ) as connection:
                found = await store.wrapped_key_now(connection, client_id, row.recording_id)
        except errors.Unavailable:
            return self._order.wrapped
        if found is None:
            raise errors.NotFound
        return found

    async def _complete(self, last: int) -> None:
        # Before the last piece: what cannot be recorded does not end well.
        before, self._sent = self._sent, self._sent + last
        try:
            await self._ending.complete()
        except Exception:
            self._sent = before  # the other outcome must not name a piece that is never sent
            raise
        self._sent = before

    async def _break(self, broken: BaseException) -> None:
        self._fault = broken if isinstance(broken, Exception) else None
        self._ending.settle()
        await self._reader.close()

    async def _record(self, outcome: Outcome) -> None:
        row = self._order.row
        async with self._door.entry().open(self._order.caller, Action.RECORDING_PLAYED) as access:
            is_there = not isinstance(self._fault, Lost | errors.NotFound) or await store.is_there(
                access, row.recording_id
            )
            word: Literal["complete", "cut", "failed"] = "complete" if outcome is Outcome.ALLOWED else "cut"
            if self._fault is not None and is_there:
                word, access.outcome = "failed", Outcome.FAILED
            access.note(f"{word}, {self._sent} bytes")
            access.touch(RESOURCE, row.recording_id, row.guest_id)
        if isinstance(self._fault, Lost) and is_there:
            lost.inc()  # deleted while it was played is no loss


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _pieces(plain: memoryview) -> Iterator[bytes]:
    for start in range(0, len(plain), _PIECE):
        yield bytes(plain[start : start + _PIECE])
