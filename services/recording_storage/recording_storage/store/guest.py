"""Statements on guests that were erased. The job role runs them; no recording goes by its guest alone."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def bury_guest(connection: Connection, client_id: UUID, guest_id: UUID) -> None:
    """The guest is gone; tenant_data is to be asked which of its calls are."""
    await connection.execute(
        """INSERT INTO tombstone (client_id, kind, subject_id)
           VALUES ($1, 'guest', $2)
           ON CONFLICT (client_id, kind, subject_id) DO UPDATE SET settled_at = NULL
            WHERE tombstone.client_id = $1""",
        client_id,
        guest_id,
    )


async def open_guests(connection: Connection, limit: int) -> Sequence[Record]:
    """`client_id` and `guest_id` of guests that are gone, about whose calls tenant_data was not asked yet."""
    return await connection.fetch(
        """-- every client: who was erased last is not known; by id alone
           SELECT client_id, subject_id AS guest_id
             FROM tombstone
            WHERE kind = 'guest' AND settled_at IS NULL
            ORDER BY client_id, subject_id
            LIMIT $1""",
        limit,
    )


async def calls_of_guest(
    connection: Connection, client_id: UUID, guest_id: UUID, after: UUID, limit: int
) -> Sequence[Record]:
    """`call_id` of the next calls that count as this guest's here, and are not known to be gone."""
    return await connection.fetch(
        """SELECT DISTINCT r.call_id
             FROM recording r
            WHERE r.client_id = $1 AND r.guest_id = $2 AND r.call_id > $3
              AND NOT EXISTS (SELECT
                                FROM tombstone t
                               WHERE t.client_id = $1 AND t.kind = 'call' AND t.subject_id = r.call_id)
            ORDER BY r.call_id
            LIMIT $4""",
        client_id,
        guest_id,
        after,
        limit,
    )


async def settle_guest(connection: Connection, client_id: UUID, guest_id: UUID) -> None:
    """All that tenant_data had to say of this guest's calls is known."""
    await connection.execute(
        """UPDATE tombstone SET settled_at = clock_timestamp()
            WHERE client_id = $1 AND kind = 'guest' AND subject_id = $2""",
        client_id,
        guest_id,
    )
