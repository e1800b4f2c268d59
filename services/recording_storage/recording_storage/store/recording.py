"""Statements on recordings. What is over is not there: expired, or its call gone, unless a hold keeps it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection
from recording_storage.key import NewKey
from recording_storage.recording import RESOURCE, RecordingRow


async def insert_recording(
    access: Access, row: RecordingRow, key: NewKey, *, assigned_at: datetime | None, is_degraded: bool
) -> None:
    """A new recording with its key; from this commit on it is there."""
    await access.execute(
        """INSERT INTO recording (client_id, recording_id, call_id, guest_id, assigned_at, bytes, sha256, content_type,
                                  duration_ms, is_degraded, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        row.recording_id,
        row.call_id,
        row.guest_id,
        assigned_at,
        row.length,
        row.sha256,
        row.content_type,
        row.duration_ms,
        is_degraded,
        row.created_at,
    )
    await access.execute(
        """INSERT INTO recording_key (client_id, recording_id, key_id, wrapped, key_version)
           VALUES ($1, $2, $3, $4, $5)""",
        row.recording_id,
        key.key_id,
        key.wrapped,
        key.version,
    )
    access.touch(RESOURCE, row.recording_id, row.guest_id)
    access.touch("call", row.call_id, row.guest_id)


async def days_kept(access: Access) -> int | None:
    """How many days this client keeps its recordings; None while `auth` has not said."""
    record = await access.fetchrow(
        """SELECT recordings_days
             FROM client
            WHERE client_id = $1"""
    )
    return None if record is None else record["recordings_days"]


async def find_recording(access: Access, recording_id: UUID) -> RecordingRow:
    """The recording. Raises NotFound, the same for a foreign, an absent and an expired one (invariant 12)."""
    record = await access.fetchrow(
        """SELECT recording_id, call_id, guest_id, bytes AS length, sha256, content_type, duration_ms, created_at,
                  held_at, recordings_days
             FROM visible_recording
            WHERE client_id = $1 AND recording_id = $2 AND visible_until > $3""",
        recording_id,
        access.now,
    )
    if record is None:
        access.missed(RESOURCE, recording_id)
    return _touched(access, record)


async def find_wrapped_key(access: Access, recording_id: UUID) -> str:
    """The recording's key as its client's key wrapped it. Raises NotFound when it is destroyed."""
    record = await access.fetchrow(
        """SELECT wrapped
             FROM recording_key
            WHERE client_id = $1 AND recording_id = $2""",
        recording_id,
    )
    if record is None:
        access.missed(RESOURCE, recording_id)
    wrapped: str = record["wrapped"]
    return wrapped


async def wrapped_key_now(connection: Connection, client_id: UUID, recording_id: UUID) -> str | None:
    """The same for a play that was admitted before; None when it is destroyed."""
    found: str | None = await connection.fetchval(
        """SELECT wrapped
             FROM recording_key
            WHERE client_id = $1 AND recording_id = $2""",
        client_id,
        recording_id,
    )
    return found


async def is_there(access: Access, recording_id: UUID) -> bool:
    """Whether its key still is: without it, that its objects are gone is as it should be."""
    found = await access.fetchrow(
        """SELECT key_id
             FROM recording_key
            WHERE client_id = $1 AND recording_id = $2""",
        recording_id,
    )
    return found is not None


async def lock_recording(access: Access, recording_id: UUID) -> RecordingRow:
    """The recording; until the commit nobody else holds, releases or deletes it. Raises NotFound."""
    await access.fetchrow(
        """SELECT recording_id
             FROM recording
            WHERE client_id = $1 AND recording_id = $2
              FOR UPDATE""",
        recording_id,
    )
    return await find_recording(access, recording_id)


class Place(NamedTuple):
    """One in a list, newest first. The id alone tells when its upload began."""

    created_at: datetime
    recording_id: UUID


async def list_recordings(access: Access, before: Place, limit: int) -> list[RecordingRow]:
    """The newest `limit` recordings before this place, and one more if there is one."""
    records = await access.fetch(
        """SELECT recording_id, call_id, guest_id, bytes AS length, sha256, content_type, duration_ms, created_at,
                  held_at, recordings_days
             FROM visible_recording
            WHERE client_id = $1 AND (created_at, recording_id) < ($2, $3) AND visible_until > $4
            ORDER BY created_at DESC, recording_id DESC
            LIMIT $5 + 1""",
        *before,
        access.now,
        limit,
    )
    return _page(access, records, limit)


async def list_recordings_of_call(access: Access, call_id: UUID, before: Place, limit: int) -> list[RecordingRow]:
    """The same, of one call."""
    records = await access.fetch(
        """SELECT recording_id, call_id, guest_id, bytes AS length, sha256, content_type, duration_ms, created_at,
                  held_at, recordings_days
             FROM visible_recording
            WHERE client_id = $1 AND call_id = $2 AND (created_at, recording_id) < ($3, $4) AND visible_until > $5
            ORDER BY created_at DESC, recording_id DESC
            LIMIT $6 + 1""",
        call_id,
        *before,
        access.now,
        limit,
    )
    return _page(access, records, limit)


async def hold_recording(access: Access, recording_id: UUID) -> None:
    """Puts the recording under a legal hold; one that stands keeps its time."""
    await access.execute(
        """UPDATE recording SET held_at = coalesce(held_at, $3)
            WHERE client_id = $1 AND recording_id = $2""",
        recording_id,
        access.now,
    )


async def release_recording(access: Access, recording_id: UUID) -> None:
    """Lifts the legal hold."""
    await access.execute(
        """UPDATE recording SET held_at = NULL
            WHERE client_id = $1 AND recording_id = $2""",
        recording_id,
    )


def _touched(access: Access, record: Record) -> RecordingRow:
    access.touch(RESOURCE, record["recording_id"], record["guest_id"])
    return RecordingRow(**record)


def _page(access: Access, records: Sequence[Record], limit: int) -> list[RecordingRow]:
    # The row beyond the limit only says that there is more: it is not shown, so it was not touched.
    if not records:
        access.touch_none()
    for record in records[:limit]:
        access.touch(RESOURCE, record["recording_id"], record["guest_id"])
    return [RecordingRow(**record) for record in records]
