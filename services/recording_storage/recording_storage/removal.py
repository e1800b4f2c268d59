"""A removal: the key first, then the objects in both zones, then the receipt in the access log.

After the first commit no copy can be opened any more, wherever it is; a process that is killed at any point leaves the
removal to the next sweep, which goes on where it was.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record
from prometheus_client import Gauge
from pydantic import BaseModel

from events.access import Action, Resource
from guard import database, errors, idempotency
from guard.access import Access, Door, Entry
from guard.identity import Caller
from recording_storage import zone
from recording_storage.archive import Archive
from recording_storage.recording import RESOURCE
from recording_storage.store import recording as recording_store
from recording_storage.store import removal as store
from recording_storage.zone import Zones

_HELD = "A legal hold is on this recording."

waiting = Gauge("konci_recording_removals_waiting", "Recordings without a key whose objects are not yet erased")


class Receipt(BaseModel):
    """What a deletion destroyed, and from when on no backup can bring it back."""

    recording_id: UUID
    key_id: UUID
    key_destroyed_at: datetime
    by: str
    unrecoverable_after: datetime


class _EndedBefore(Exception):
    """Somebody else has ended this removal."""


async def remove(archive: Archive, door: Entry, caller: Caller, recording_id: UUID) -> Receipt:
    """Destroys the recording's key for a caller. Raises NotFound, and Conflict under a legal hold, which is logged."""
    by = f"{caller.kind} {caller.id}"
    try:
        async with door.open(caller, Action.RECORDING_DELETE) as access:
            row = await recording_store.lock_recording(access, recording_id)
            if row.held_at is not None:
                raise errors.Conflict(_HELD)
            [key_id] = await destroy(access, {recording_id: row.guest_id}, by)
            receipt = Receipt(
                recording_id=recording_id,
                key_id=key_id,
                key_destroyed_at=access.now,
                by=by,
                unrecoverable_after=access.now + archive.copies_kept,
            )
            access.note(_said(receipt))
    except errors.Conflict:
        await door.refuse(caller, Action.RECORDING_DELETE, Resource(type=RESOURCE, id=str(recording_id)))
        raise
    archive.keys.forget(caller.client_id, recording_id)
    archive.wake_sweep()
    return receipt


async def destroy(access: Access, guests: Mapping[UUID, UUID | None], by: str) -> list[UUID]:
    """Destroys the keys of recordings that are locked (by id, with their guests); the ids of the keys.

    `by` says who, or which rule. What is left of them to erase waits in the database.
    """
    destroyed = await store.destroy_keys(access, list(guests), by)
    await idempotency.forget(access, RESOURCE, list(guests))
    await access.forget(list(guests))  # what sealed the answer to a repeated upload
    for recording_id, guest_id in guests.items():
        access.touch(RESOURCE, recording_id, guest_id)
    return [key["key_id"] for key in destroyed]


async def finish(door: Door, zones: Zones, copies_kept: timedelta) -> int:
    """Erases what is left of destroyed recordings, and writes the receipts; how many are done.

    What a zone that is away still holds waits for it. Raises Unavailable when the database is away.
    """
    async with database.translate(), door.pools.job.acquire() as connection:
        waiting_removals = await store.waiting_removals(connection)
    done = 0
    for row in waiting_removals:
        gone = await zones.erase(zone.prefix(row["client_id"], row["recording_id"]))
        if len(gone) == len(zones.names):
            done += await _end(door, row["client_id"], row["recording_id"], copies_kept)
    async with database.translate(), door.pools.job.acquire() as connection:
        waiting.set(await store.count_removals(connection))
    return done


async def _end(door: Door, client_id: UUID, recording_id: UUID, copies_kept: timedelta) -> bool:
    caller = door.service_caller(client_id, reason="erased in both zones")
    try:
        async with door.entry().open(caller, Action.RECORDING_DELETE) as access:
            ended = await store.end_removal(access, recording_id)
            if ended is None:
                raise _EndedBefore
            access.note(_said(_receipt(ended, copies_kept)))
            access.touch(RESOURCE, recording_id, ended["guest_id"])
    except _EndedBefore:
        return False
    return True


def _receipt(ended: Record, copies_kept: timedelta) -> Receipt:
    at = ended["key_destroyed_at"]
    return Receipt(
        recording_id=ended["recording_id"],
        key_id=ended["key_id"],
        key_destroyed_at=at,
        by=ended["destroyed_by"],
        unrecoverable_after=at + copies_kept,
    )


def _said(receipt: Receipt) -> str:
    """The receipt as the access log has it; the recording is the entry's resource."""
    at, after = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (receipt.key_destroyed_at, receipt.unrecoverable_after))
    return f"key {receipt.key_id} destroyed {at} by {receipt.by}; unrecoverable after {after}"
