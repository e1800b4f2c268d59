"""Statements on calls: which are gone, and whose the others are. The job role writes it, from what tenant_data says."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection

# Until the commit: an upload that ends, and news of its call, come one after the other.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('|', 'call', $1::uuid, $2::uuid), 0))"


async def bury_call(connection: Connection, client_id: UUID, call_id: UUID) -> None:
    """The call is gone. An upload of it that ends at this moment waits here, or is seen by the next sweep."""
    await connection.execute(_LOCK, client_id, call_id)
    await connection.execute(
        """INSERT INTO tombstone (client_id, kind, subject_id)
           VALUES ($1, 'call', $2)
           ON CONFLICT (client_id, kind, subject_id) DO UPDATE SET settled_at = NULL
            WHERE tombstone.client_id = $1""",
        client_id,
        call_id,
    )


async def assign_call(
    connection: Connection, client_id: UUID, call_id: UUID, guest_id: UUID | None, at: datetime
) -> None:
    """The call is this guest's since `at`, or nobody's; so is what is recorded of it, and what is on its way.

    Older news changes nothing: events may come again.
    """
    await connection.execute(_LOCK, client_id, call_id)
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
    await access.execute(_LOCK, call_id)
    found = await access.fetchrow(
        """SELECT noted_at
             FROM tombstone
            WHERE client_id = $1 AND kind = 'call' AND subject_id = $2""",
        call_id,
    )
    return found is not None


async def open_calls(connection: Connection, after: tuple[UUID, UUID], limit: int) -> Sequence[Record]:
    """`client_id` and `call_id` of the next calls that are gone, of which something may be left."""
    return await connection.fetch(
        """-- every client: whose call was deleted last is not known; by id alone
           SELECT client_id, subject_id AS call_id
             FROM tombstone
            WHERE kind = 'call' AND settled_at IS NULL AND (client_id, subject_id) > ($1, $2)
            ORDER BY client_id, subject_id
            LIMIT $3""",
        *after,
        limit,
    )


async def settle_calls(connection: Connection, client_id: UUID, call_ids: Sequence[UUID]) -> None:
    """Nothing is left of those of these calls of which nothing is, but what a hold keeps. Within a transaction."""
    # Locked first, by a statement of its own: the next one then sees each hold that was lifted before, and one that is
    # lifted later waits here, and opens its call again.
    await connection.execute(
        """SELECT subject_id
             FROM tombstone
            WHERE client_id = $1 AND kind = 'call' AND subject_id = ANY($2::uuid[])
            ORDER BY subject_id
              FOR UPDATE""",
        client_id,
        call_ids,
    )
    await connection.execute(
        """UPDATE tombstone t SET settled_at = clock_timestamp()
            WHERE t.client_id = $1 AND t.kind = 'call' AND t.subject_id = ANY($2::uuid[]) AND t.settled_at IS NULL
              AND NOT EXISTS (SELECT
                                FROM recording r
                               WHERE r.client_id = $1 AND r.call_id = t.subject_id AND r.held_at IS NULL)""",
        client_id,
        call_ids,
    )


async def open_call(access: Access, call_id: UUID) -> None:
    """A hold was lifted: if its call is gone, the next sweep looks at it again."""
    await access.execute(
        """UPDATE tombstone SET settled_at = NULL
            WHERE client_id = $1 AND kind = 'call' AND subject_id = $2""",
        call_id,
    )


async def prune_tombstones(connection: Connection, days: int) -> None:
    """Forgets the calls and guests of which nothing is kept since so many days."""
    # now(), as an index is not looked up by clock_timestamp(): it would read all of them.
    await connection.execute(
        """-- every client: that something is gone is kept no longer than it can matter
           DELETE FROM tombstone t
            WHERE t.noted_at < now() - make_interval(days => $1)
              AND NOT EXISTS (SELECT FROM recording r WHERE r.client_id = t.client_id AND r.call_id = t.subject_id)
              AND NOT EXISTS (SELECT FROM recording r WHERE r.client_id = t.client_id AND r.guest_id = t.subject_id)""",
        days,
    )
