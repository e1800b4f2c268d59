"""Statements on what is due: which clients have some, asked by the job role; the rows, by each client's own door."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection


async def clients_with_expired(connection: Connection, now: datetime) -> Sequence[Record]:
    """`client_id` of each client that has recordings whose time is over. A hold keeps what it is on."""
    return await connection.fetch(
        """-- every client: policy every_client of the job role, which sees no content
           SELECT c.client_id
             FROM client c
            WHERE EXISTS (SELECT
                            FROM recording r
                           WHERE r.client_id = c.client_id AND r.held_at IS NULL
                             AND r.created_at <= $1::timestamptz - make_interval(days => c.recordings_days))""",
        now,
    )


async def lock_expired(access: Access, limit: int) -> Sequence[Record]:
    """The oldest `limit` recordings whose time is over; until the commit nobody else holds or deletes them."""
    return await access.fetch(
        """SELECT r.recording_id, r.call_id, r.guest_id
             FROM recording r
             JOIN client c ON c.client_id = r.client_id
            WHERE r.client_id = $1 AND c.client_id = $1 AND r.held_at IS NULL
              AND r.created_at <= $2::timestamptz - make_interval(days => c.recordings_days)
            ORDER BY r.created_at
            LIMIT $3
              FOR UPDATE OF r SKIP LOCKED""",
        access.now,
        limit,
    )


async def lock_of_deleted_calls(
    access: Access, limit: int, call_ids: Sequence[UUID], *, of_erased_guests: bool
) -> Sequence[Record]:
    """The same of those of these calls that are gone: with their guest, or by themselves.

    The call alone decides. Whose a recording is, may be news of before: it only says under which rule it goes.
    """
    return await access.fetch(
        """SELECT r.recording_id, r.call_id, r.guest_id
             FROM recording r
             JOIN tombstone t ON t.client_id = r.client_id AND t.kind = 'call' AND t.subject_id = r.call_id
            WHERE r.client_id = $1 AND t.client_id = $1 AND r.held_at IS NULL AND r.call_id = ANY($2::uuid[])
              AND $3 = EXISTS (SELECT
                                 FROM tombstone g
                                WHERE g.client_id = $1 AND g.kind = 'guest' AND g.subject_id = r.guest_id)
            LIMIT $4
              FOR UPDATE OF r SKIP LOCKED""",
        call_ids,
        of_erased_guests,
        limit,
    )


async def count_overdue(connection: Connection, now: datetime) -> int:
    """How many recordings are there whose time is over: what the alert looks at."""
    found: int = await connection.fetchval(
        """-- every client: a number, for the alert that says that the sweep does not do its work
           SELECT count(*)
             FROM client c
             JOIN recording r ON r.client_id = c.client_id
            WHERE r.held_at IS NULL AND r.created_at <= $1::timestamptz - make_interval(days => c.recordings_days)""",
        now,
    )
    return found
