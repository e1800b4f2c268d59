"""Statements on what is due: which clients have some, asked by the job role; the rows, by each client's own door."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from guard.access import Access
from guard.database import Connection


async def due(connection: Connection, now: datetime, guest_grace_seconds: float) -> Sequence[Record]:
    """`client_id` and `rule` of each client that has recordings to delete by that rule. A hold keeps what it is on."""
    return await connection.fetch(
        """-- every client: policy every_client of the job role, which sees no content
           SELECT c.client_id, 'retention' AS rule
             FROM client c
            WHERE EXISTS (SELECT
                            FROM recording r
                           WHERE r.client_id = c.client_id AND r.held_at IS NULL
                             AND r.created_at <= $1::timestamptz - make_interval(days => c.recordings_days))
           UNION ALL
           SELECT DISTINCT t.client_id, 'call deleted'
             FROM tombstone t
             JOIN recording r ON r.client_id = t.client_id AND r.call_id = t.subject_id
            WHERE t.kind = 'call' AND r.held_at IS NULL
           UNION ALL
           SELECT DISTINCT t.client_id, 'guest erased'
             FROM tombstone t
             JOIN recording r ON r.client_id = t.client_id AND r.guest_id = t.subject_id
            WHERE t.kind = 'guest' AND r.held_at IS NULL
              AND t.noted_at <= clock_timestamp() - make_interval(secs => $2)""",
        now,
        guest_grace_seconds,
    )


async def lock_expired(access: Access, limit: int, _grace: float) -> Sequence[Record]:
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


async def lock_of_deleted_calls(access: Access, limit: int, _grace: float) -> Sequence[Record]:
    """The same of calls that are gone."""
    return await access.fetch(
        """SELECT r.recording_id, r.call_id, r.guest_id
             FROM recording r
             JOIN tombstone t ON t.client_id = r.client_id AND t.kind = 'call' AND t.subject_id = r.call_id
            WHERE r.client_id = $1 AND t.client_id = $1 AND r.held_at IS NULL
            LIMIT $2
              FOR UPDATE OF r SKIP LOCKED""",
        limit,
    )


async def lock_of_erased_guests(access: Access, limit: int, grace_seconds: float) -> Sequence[Record]:
    """The same of guests that are gone for longer than the grace."""
    return await access.fetch(
        """SELECT r.recording_id, r.call_id, r.guest_id
             FROM recording r
             JOIN tombstone t ON t.client_id = r.client_id AND t.kind = 'guest' AND t.subject_id = r.guest_id
            WHERE r.client_id = $1 AND t.client_id = $1 AND r.held_at IS NULL
              AND t.noted_at <= clock_timestamp() - make_interval(secs => $3)
            LIMIT $2
              FOR UPDATE OF r SKIP LOCKED""",
        limit,
        grace_seconds,
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
