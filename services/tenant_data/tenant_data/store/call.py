"""Statements on calls. A call's subject is its guest, or itself while it has none; its key comes along by that."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection
from tenant_data.call import CallRow, NewCall


async def insert_call(access: Access, call_id: UUID, call: NewCall, sealed: bytes) -> None:
    """A new call, at version 1."""
    await access.execute(
        """INSERT INTO call (client_id, call_id, guest_id, direction, started_at, sealed, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        call_id,
        call.guest_id,
        call.direction,
        call.started_at,
        sealed,
        access.now,
    )
    access.touch("call", call_id, call.guest_id)


async def hold_call(access: Access, call_id: UUID) -> UUID | None:
    """The guest of a call, or None; until the commit nobody else changes or deletes the call. Raises NotFound."""
    record = await access.fetchrow(
        """SELECT guest_id
             FROM call
            WHERE client_id = $1 AND call_id = $2
              FOR UPDATE""",
        call_id,
    )
    if record is None:
        access.missed("call", call_id)
    guest_id: UUID | None = record["guest_id"]
    return guest_id


async def find_call(access: Access, call_id: UUID) -> CallRow:
    """The call. Raises NotFound, the same for a foreign and an absent id (invariant 12)."""
    record = await access.fetchrow(
        """SELECT c.call_id, c.guest_id, c.direction, c.started_at, c.sealed, c.version, c.created_at,
                  k.data_key_id, k.wrapped
             FROM call c
             JOIN guard.subject_key k ON k.client_id = c.client_id AND k.subject_id = c.subject_id
            WHERE c.client_id = $1 AND k.client_id = $1 AND c.call_id = $2""",
        call_id,
    )
    if record is None:
        access.missed("call", call_id)
    _touch(access, record)
    return await _row(access, record)


async def lock_call(access: Access, call_id: UUID) -> CallRow:
    """The call; until the commit nobody else changes or deletes it or its transcript. Raises NotFound."""
    # Locked first and read second: a lock that had to wait re-checks its row but not the key joined with it, and a call
    # that had meanwhile moved to another guest would seem to be gone.
    await hold_call(access, call_id)
    return await find_call(access, call_id)


async def list_calls(
    access: Access, *, since: datetime, until: datetime, before: tuple[datetime, UUID], limit: int
) -> list[CallRow]:
    """The latest `limit` calls below `before` that started in [since, until), and one more if there is one."""
    records = await access.fetch(
        """SELECT c.call_id, c.guest_id, c.direction, c.started_at, c.sealed, c.version, c.created_at,
                  k.data_key_id, k.wrapped
             FROM call c
             JOIN guard.subject_key k ON k.client_id = c.client_id AND k.subject_id = c.subject_id
            WHERE c.client_id = $1 AND k.client_id = $1
              AND c.started_at >= $2
              AND c.started_at < $3
              AND (c.started_at, c.call_id) < ($4, $5)
            ORDER BY c.started_at DESC, c.call_id DESC
            LIMIT $6 + 1""",
        since,
        until,
        *before,
        limit,
    )
    return await _page(access, records, limit)


async def list_calls_of_guest(
    access: Access,
    guest_id: UUID,
    *,
    since: datetime,
    until: datetime,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[CallRow]:
    """As `list_calls`, of one guest. A statement of its own, so that each keeps to its own index."""
    records = await access.fetch(
        """SELECT c.call_id, c.guest_id, c.direction, c.started_at, c.sealed, c.version, c.created_at,
                  k.data_key_id, k.wrapped
             FROM call c
             JOIN guard.subject_key k ON k.client_id = c.client_id AND k.subject_id = c.subject_id
            WHERE c.client_id = $1 AND k.client_id = $1 AND c.guest_id = $2
              AND c.started_at >= $3
              AND c.started_at < $4
              AND (c.started_at, c.call_id) < ($5, $6)
            ORDER BY c.started_at DESC, c.call_id DESC
            LIMIT $7 + 1""",
        guest_id,
        since,
        until,
        *before,
        limit,
    )
    return await _page(access, records, limit)


async def update_call(access: Access, call_id: UUID, call: NewCall, sealed: bytes) -> None:
    """Other facts, at the next version."""
    await access.execute(
        """UPDATE call SET guest_id = $3, direction = $4, started_at = $5, sealed = $6, version = version + 1
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
        call.guest_id,
        call.direction,
        call.started_at,
        sealed,
    )
    access.touch("call", call_id, call.guest_id)


async def delete_call(access: Access, call_id: UUID) -> None:
    """The row of a call that has no transcript any more; that it was deleted stays known for a while."""
    await access.execute(
        """DELETE FROM call
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
    )
    await _remember_deleted(access, [call_id])


async def delete_calls_of_guest(access: Access, guest_id: UUID) -> list[UUID]:
    """Deletes the calls of a guest with their transcripts, each named in the event; the ids of the calls."""
    # Locked before anything goes: a transcript put meanwhile would be left pointing at a call that is deleted.
    calls = await access.fetch(
        """SELECT call_id
             FROM call
            WHERE client_id = $1 AND guest_id = $2
            ORDER BY call_id
              FOR UPDATE""",
        guest_id,
    )
    call_ids = [record["call_id"] for record in calls]
    transcripts = await access.fetch(
        """DELETE FROM transcript
            WHERE client_id = $1 AND call_id = ANY($2::uuid[])
        RETURNING call_id""",
        call_ids,
    )
    await access.execute(
        """DELETE FROM call
            WHERE client_id = $1 AND call_id = ANY($2::uuid[])""",
        call_ids,
    )
    await _remember_deleted(access, call_ids)
    for record in transcripts:
        access.touch("transcript", record["call_id"], guest_id)
    for call_id in call_ids:
        access.touch("call", call_id, guest_id)
    return call_ids


async def _remember_deleted(access: Access, call_ids: Sequence[UUID]) -> None:
    await access.execute(
        """INSERT INTO deleted_call (client_id, call_id, deleted_at)
           SELECT $1, unnest($2::uuid[]), $3""",
        call_ids,
        access.now,
    )


async def deleted_among(connection: Connection, client_id: UUID, call_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these calls that were deleted. What is not there by itself counts as nothing: it may be a mistake."""
    records = await connection.fetch(
        """SELECT d.call_id
             FROM deleted_call d
            WHERE d.client_id = $1 AND d.call_id = ANY($2::uuid[])
              AND NOT EXISTS (SELECT
                                FROM call c
                               WHERE c.client_id = $1 AND c.call_id = d.call_id)
            ORDER BY d.call_id""",
        client_id,
        call_ids,
    )
    return [record["call_id"] for record in records]


async def forget_deleted(connection: Connection, before: datetime) -> None:
    """Forgets which calls were deleted before this time."""
    await connection.execute(
        """-- every client: that a call was deleted is kept no longer than somebody can have missed it
           DELETE FROM deleted_call WHERE deleted_at < $1""",
        before,
    )


def _touch(access: Access, record: Record) -> None:
    access.touch("call", record["call_id"], record["guest_id"])


async def _row(access: Access, record: Record) -> CallRow:
    call_id, guest_id = record["call_id"], record["guest_id"]
    return CallRow(
        call_id,
        guest_id,
        record["direction"],
        record["started_at"],
        record["sealed"],
        await access.unwrap(guest_id or call_id, record["data_key_id"], record["wrapped"]),
        record["version"],
        record["created_at"],
    )


async def _page(access: Access, records: Sequence[Record], limit: int) -> list[CallRow]:
    # The row beyond the limit only says that there is more: it is not shown, so it was not touched.
    if not records:
        access.touch_none()
    for record in records[:limit]:
        _touch(access, record)
    return [await _row(access, record) for record in records]
