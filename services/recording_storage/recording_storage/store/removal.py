"""Statements on removals: the key first, with the row; then what is still to be erased, until nothing is."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection


async def destroy_keys(access: Access, recording_ids: Sequence[UUID], by: str) -> Sequence[Record]:
    """Destroys keys and rows of locked recordings, and leaves removals: `recording_id` and `key_id` of each."""
    keys = await access.fetch(
        """DELETE FROM recording_key
            WHERE client_id = $1 AND recording_id = ANY($2::uuid[])
        RETURNING recording_id, key_id""",
        recording_ids,
    )
    await access.execute(
        """INSERT INTO removal (client_id, recording_id, call_id, guest_id, key_id, key_destroyed_at, destroyed_by)
           SELECT r.client_id, r.recording_id, r.call_id, r.guest_id, k.key_id, $4, $5
             FROM recording r
             JOIN unnest($2::uuid[], $3::uuid[]) AS k (recording_id, key_id) ON k.recording_id = r.recording_id
            WHERE r.client_id = $1""",
        [key["recording_id"] for key in keys],
        [key["key_id"] for key in keys],
        access.now,
        by,
    )
    await access.execute(
        """DELETE FROM recording
            WHERE client_id = $1 AND recording_id = ANY($2::uuid[])""",
        recording_ids,
    )
    return keys


async def end_removal(access: Access, recording_id: UUID) -> Record | None:
    """Ends a removal of which nothing is left in any zone: what its receipt says. None when it was ended already."""
    return await access.fetchrow(
        """DELETE FROM removal
            WHERE client_id = $1 AND recording_id = $2
        RETURNING recording_id, call_id, guest_id, key_id, key_destroyed_at, destroyed_by""",
        recording_id,
    )


async def waiting_removals(connection: Connection) -> Sequence[Record]:
    """`client_id` and `recording_id` of recordings that are still to be erased, the oldest of each client first.

    One of each client, then another of each: whose folder a zone does not let go of fills no turn of the others.
    """
    return await connection.fetch(
        """-- every client: whose objects are still to go, by id alone
           SELECT client_id, recording_id
             FROM removal
            ORDER BY row_number() OVER (PARTITION BY client_id ORDER BY key_destroyed_at), key_destroyed_at
            LIMIT 1000"""
    )


async def count_removals(connection: Connection) -> int:
    """How many recordings are still to be erased: what the alert looks at."""
    found: int = await connection.fetchval(
        """-- every client: a number, for the alert
           SELECT count(*) FROM removal WHERE client_id IS NOT NULL"""
    )
    return found
