"""Statements on what the zones should hold: of every client, by id and length, asked by the job role."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def set_id(connection: Connection) -> UUID | None:
    """What the marks of this database's zones name; None: they were marked before there was a name."""
    found: UUID | None = await connection.fetchval("SELECT set_id FROM zone_set")
    return found


async def are_adopted(connection: Connection) -> bool:
    """Whether the zones were taken into use before."""
    return bool(await connection.fetchval("SELECT count(*) > 0 FROM zone"))


async def adopt(connection: Connection, names: Sequence[str]) -> None:
    """They are in use from now on."""
    await connection.execute(
        "INSERT INTO zone (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING", list(names)
    )


async def expected(connection: Connection, after: tuple[UUID, UUID], limit: int) -> Sequence[Record]:
    """`client_id`, `recording_id` and `bytes` of the next recordings after this one."""
    return await connection.fetch(
        """-- every client: the zones are compared as a whole
           SELECT client_id, recording_id, bytes
             FROM recording
            WHERE (client_id, recording_id) > ($1, $2)
            ORDER BY client_id, recording_id
            LIMIT $3""",
        *after,
        limit,
    )


async def is_known(connection: Connection, client_id: UUID, recording_id: UUID) -> bool:
    """Whether it is a recording, an upload under way or given up, or a removal: somebody looks after its objects."""
    found: bool = await connection.fetchval(
        """SELECT EXISTS (SELECT FROM recording WHERE client_id = $1 AND recording_id = $2)
               OR EXISTS (SELECT FROM upload WHERE client_id = $1 AND recording_id = $2)
               OR EXISTS (SELECT FROM removal WHERE client_id = $1 AND recording_id = $2)""",
        client_id,
        recording_id,
    )
    return found


async def length_of(connection: Connection, client_id: UUID, recording_id: UUID) -> int | None:
    """Bytes of its audio; None when it is no recording, so that there is nothing to heal."""
    found: int | None = await connection.fetchval(
        """SELECT bytes
             FROM recording
            WHERE client_id = $1 AND recording_id = $2""",
        client_id,
        recording_id,
    )
    return found


async def degraded(connection: Connection, after: tuple[UUID, UUID], limit: int) -> Sequence[Record]:
    """`client_id` and `recording_id` of the next recordings after this one that are not in both zones yet."""
    return await connection.fetch(
        """-- every client: one zone lacks them, whosever they are
           SELECT client_id, recording_id
             FROM recording
            WHERE is_degraded AND (client_id, recording_id) > ($1, $2)
            ORDER BY client_id, recording_id
            LIMIT $3""",
        *after,
        limit,
    )


async def mark_safe(connection: Connection, client_id: UUID, recording_id: UUID) -> None:
    """Both zones hold all of it."""
    await connection.execute(
        """UPDATE recording SET is_degraded = false
            WHERE client_id = $1 AND recording_id = $2""",
        client_id,
        recording_id,
    )


async def count_degraded(connection: Connection) -> int:
    """How many recordings one zone lacks: what the alert looks at."""
    found: int = await connection.fetchval(
        """-- every client: a number, for the alert
           SELECT count(*) FROM recording WHERE is_degraded"""
    )
    return found
