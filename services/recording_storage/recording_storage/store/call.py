"""Statements on what tenant_data told about calls and guests. The job role writes it, from events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection


async def bury_call(connection: Connection, client_id: UUID, call_id: UUID) -> None:
    """The call is gone. An upload of it that ends at this moment waits here, or is seen by the next sweep."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('|', 'call', $1::uuid, $2::uuid), 0))",
        client_id,
        call_id,
    )
    await connection.execute(
        """INSERT INTO tombstone (client_id, kind, subject_id)
           VALUES ($1, 'call', $2)
           ON CONFLICT (client_id, kind, subject_id) DO NOTHING""",
        client_id,
        call_id,
    )


async def bury_guest(connection: Connection, client_id: UUID, guest_id: UUID) -> None:
    """The guest is gone."""
    await connection.execute(
        """INSERT INTO tombstone (client_id, kind, subject_id)
           VALUES ($1, 'guest', $2)
           ON CONFLICT (client_id, kind, subject_id) DO NOTHING""",
        client_id,
        guest_id,
    )


async def assign_call(
    connection: Connection, client_id: UUID, call_id: UUID, guest_id: UUID | None, at: datetime
) -> None:
    """The call is this guest's since `at`, or nobody's; so is what is recorded of it, and what is on its way.

    Older news changes nothing: events may come again.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('|', 'call', $1::uuid, $2::uuid), 0))",
        client_id,
        call_id,
    )
    await connection.execute(
        """UPDATE upload SET guest_id = $3, assigned_at = $4
            WHERE client_id = $1 AND call_id = $2 AND (assigned_at IS NULL OR assigned_at <= $4)""",
        client_id,
        call_id,
        guest_id,
        at,
    )
    await connection.execute(
        """UPDATE recording SET guest_id = $3, assigned_at = $4
            WHERE client_id = $1 AND call_id = $2 AND (assigned_at IS NULL OR assigned_at <= $4)""",
        client_id,
        call_id,
        guest_id,
        at,
    )


async def calls_kept(connection: Connection, after: tuple[UUID, UUID], limit: int) -> Sequence[Record]:
    """`client_id` and `call_id` of the next calls of which recordings are kept and that are not known to be gone."""
    return await connection.fetch(
        """-- every client: whose event was lost is not known; by id alone
           SELECT DISTINCT r.client_id, r.call_id
             FROM recording r
            WHERE (r.client_id, r.call_id) > ($1, $2)
              AND NOT EXISTS (SELECT
                                FROM tombstone t
                               WHERE t.client_id = r.client_id AND t.kind = 'call' AND t.subject_id = r.call_id)
            ORDER BY r.client_id, r.call_id
            LIMIT $3""",
        *after,
        limit,
    )


async def is_buried(access: Access, call_id: UUID) -> bool:
    """Whether the call is gone; until the commit it is not buried and not assigned to another guest."""
    await access.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('|', 'call', $1::uuid, $2::uuid), 0))", call_id
    )
    found = await access.fetchrow(
        """SELECT noted_at
             FROM tombstone
            WHERE client_id = $1 AND kind = 'call' AND subject_id = $2""",
        call_id,
    )
    return found is not None


async def prune_tombstones(connection: Connection, days: int) -> None:
    """Forgets the calls and guests of which nothing is kept since so many days."""
    await connection.execute(
        """-- every client: that something is gone is kept no longer than it can matter
           DELETE FROM tombstone t
            WHERE t.noted_at < clock_timestamp() - make_interval(days => $1)
              AND NOT EXISTS (SELECT FROM recording r WHERE r.client_id = t.client_id AND r.call_id = t.subject_id)
              AND NOT EXISTS (SELECT FROM recording r WHERE r.client_id = t.client_id AND r.guest_id = t.subject_id)""",
        days,
    )
