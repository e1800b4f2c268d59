"""An upload from its admission to its recording. Nothing is visible before the last commit, and whatever ends it
otherwise is given up: its outcome is in the log, its objects are swept.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast, get_args
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from events.access import Action, Outcome
from events.uuid7 import uuid7
from guard import errors, idempotency, standing
from guard.access import Access, Entry
from guard.idempotency import Earlier
from guard.identity import Caller
from recording_storage import content_digest
from recording_storage.archive import Archive
from recording_storage.audio import NotAudio
from recording_storage.key import NewKey
from recording_storage.recording import RESOURCE, ContentType, Recording, RecordingRow, reveal
from recording_storage.segment import Sealer
from recording_storage.store import call as call_store
from recording_storage.store import recording as recording_store
from recording_storage.store import upload as store
from recording_storage.writer import Writer, Written

MOST = 2 * 2**30  # bytes (API.md)
NOTE = 200  # characters that an event says more

_log = logging.getLogger("recording_storage.upload")


@dataclass(frozen=True, slots=True)
class Order:
    """An upload as it was asked for: by whom, for which call, and what its sender says of the body."""

    caller: Caller
    call_id: UUID
    guest_id: UUID | None
    content_type: ContentType
    digest: bytes | None
    once: str | None


class Sent(BaseModel):
    """What a repeated upload must have in common with the first; stands for a body that nobody keeps."""

    call_id: UUID
    content_type: ContentType
    sha256: str


class EndedOtherwise(Exception):
    """The upload was committed after all."""


def media_type(field: str) -> ContentType:
    """What `Content-Type` says that the body is. Raises WrongMedia for what is not stored here."""
    media = field.partition(";")[0].strip().lower()
    for known in get_args(ContentType):
        if media == known:
            return cast("ContentType", known)
    raise errors.WrongMedia


async def receive(archive: Archive, door: Entry, order: Order, pieces: AsyncIterable[bytes]) -> Recording:
    """Stores a recording and answers what is known of it.

    Raises Invalid for what is not the announced audio, Conflict for a key that was used with another body, NotFound
    when the call was deleted meanwhile, Unauthenticated when its caller was let in no longer, Unavailable, and whatever
    ends `pieces`. Then nothing stays.
    """
    client_id = order.caller.client_id
    key = await archive.keys.new(client_id)
    async with door.open(order.caller, Action.RECORDING_CREATE) as access:
        recording_id = uuid7(access.now)
        access.note("upload begun")
        await store.begin_upload(access, recording_id, order.call_id, order.guest_id)
    place = (client_id, recording_id)
    writer = Writer(archive.zones, Sealer(key.plain, *place), place, order.content_type, archive.effort)
    with archive.heartbeat.of(client_id, recording_id):
        try:
            written = await _written(writer, _while_let_in(archive, order.caller, pieces))
            content_digest.require(order.digest, written.sha256)
            return await _keep(door, order, recording_id, key, written)
        except BaseException as broken:
            # In a task of its own: a server that stops cancels whatever waits here.
            await asyncio.shield(asyncio.ensure_future(_give_up(door, order, recording_id, writer, broken)))
            raise
        finally:
            archive.wake_sweep()


async def _while_let_in(archive: Archive, caller: Caller, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, for as long as the session lasts that they came in with: looked at once a second, and at the end."""
    looked_at = time.monotonic()
    async for piece in pieces:
        if time.monotonic() - looked_at > standing.LOOK:
            # Nothing of it can be seen yet: while nobody can say, it goes on.
            with suppress(errors.Unavailable):
                await standing.require(archive.revocations, caller)
            looked_at = time.monotonic()
        yield piece
    await standing.require(archive.revocations, caller)


async def _written(writer: Writer, pieces: AsyncIterable[bytes]) -> Written:
    try:
        return await writer.write(pieces)
    except NotAudio as other:
        raise errors.Invalid([("/", other.detail)], other.detail) from other


async def _keep(door: Entry, order: Order, recording_id: UUID, key: NewKey, written: Written) -> Recording:
    sent = Sent(call_id=order.call_id, content_type=order.content_type, sha256=written.sha256.hex())
    async with door.open(order.caller, Action.RECORDING_CREATE) as access:
        # First: what was recorded of a call that is gone is not shown, to whoever repeats an upload neither.
        if await call_store.is_buried(access, order.call_id):
            access.missed("call", order.call_id)
        earlier = await idempotency.recall(access, order.once, sent)
        if earlier is not None:
            access.note("repeated")
            access.touch(RESOURCE, earlier.resource_id, order.guest_id)
            if not await store.abandon_upload(access, recording_id):  # it was given up meanwhile, and swept too early
                await store.disown_upload(access, recording_id, order.call_id, order.guest_id)
            return Recording.model_validate(earlier.answer)
        ended = await store.end_upload(access, recording_id)
        if ended is None:
            raise errors.Unavailable("The upload stood still for too long and was given up; send it again.")
        row = RecordingRow(
            recording_id, order.call_id, ended["guest_id"], written.length, written.sha256, order.content_type,
            written.duration_ms, access.now, None, await recording_store.days_kept(access),
        )  # fmt: skip
        await recording_store.insert_recording(
            access, row, key, assigned_at=ended["assigned_at"], is_degraded=written.is_degraded
        )
        return await _answered(access, order, sent, row)


async def _answered(access: Access, order: Order, sent: Sent, row: RecordingRow) -> Recording:
    answer = reveal(row)
    if order.once is not None:
        # Only to seal this answer for a day: the audio has a key of its own.
        await access.new_subject_key(row.recording_id)
        earlier = Earlier(RESOURCE, row.recording_id, row.recording_id, answer.model_dump(mode="json"))
        await idempotency.remember(access, order.once, sent, earlier)
    return answer


async def _give_up(door: Entry, order: Order, recording_id: UUID, writer: Writer, broken: BaseException) -> None:
    """Leaves the upload to the sweep, and says in the log how it ended. A commit that was made after all stands."""
    await writer.rest()
    why = broken.detail or broken.title if isinstance(broken, errors.Problem) else type(broken).__name__
    try:
        async with door.open(order.caller, Action.RECORDING_CREATE) as access:
            access.outcome = Outcome.FAILED
            access.note(f"upload ended: {why}"[:NOTE])
            if not await store.abandon_upload(access, recording_id) and not await store.disown_upload(
                access, recording_id, order.call_id, order.guest_id
            ):
                raise EndedOtherwise
    except EndedOtherwise:
        _log.info("the upload had ended already")
    except (errors.Unavailable, asyncpg.PostgresError) as failed:
        # It is silent from now on: the sweep finds it, and says so.
        _log.warning("an upload is left to the sweep", extra={"error": type(failed).__name__})
