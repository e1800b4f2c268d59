"""Statements on recordings' keys as a rewrap sees them: wrapped, with the version of the client's key that did it."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def clients_with_keys(connection: Connection) -> Sequence[Record]:
    """`client_id` and the `oldest` version, of each client that has recordings."""
    return await connection.fetch(
        """-- every client: whose key has turned is not known here
           SELECT client_id, min(key_version) AS oldest
             FROM recording_key
            GROUP BY client_id
            ORDER BY client_id"""
    )


async def count_older(connection: Connection, client_id: UUID, version: int) -> int:
    """How many keys of the client are wrapped by a version before this one."""
    found: int = await connection.fetchval(
        """SELECT count(*)
             FROM recording_key
            WHERE client_id = $1 AND key_version < $2""",
        client_id,
        version,
    )
    return found


async def older_keys(
    connection: Connection, client_id: UUID, version: int, after: UUID, limit: int
) -> Sequence[Record]:
    """`recording_id` and `wrapped` of the next `limit` keys wrapped by a version before this one, by id."""
    return await connection.fetch(
        """SELECT recording_id, wrapped
             FROM recording_key
            WHERE client_id = $1 AND key_version < $2 AND recording_id > $3
            ORDER BY recording_id
            LIMIT $4""",
        client_id,
        version,
        after,
        limit,
    )


async def replace_wrapped(
    connection: Connection, client_id: UUID, recording_id: UUID, *, before: str, after: str, version: int
) -> None:
    """The same key, wrapped anew, unless somebody was faster."""
    await connection.execute(
        """UPDATE recording_key SET wrapped = $4, key_version = $5
            WHERE client_id = $1 AND recording_id = $2 AND wrapped = $3""",
        client_id,
        recording_id,
        before,
        after,
        version,
    )
