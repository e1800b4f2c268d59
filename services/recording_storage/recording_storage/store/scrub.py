"""Statements on how far the scrub is: which process is at it, and which recording comes next. Asked by the job role."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def ended_at(connection: Connection) -> datetime:
    """When the last whole pass ended."""
    found: datetime = await connection.fetchval("SELECT ended_at FROM scrub")
    return found


async def take(connection: Connection, holder: UUID, now: datetime, begun_before: datetime) -> Record | None:
    """`client`, `recording` and `number` of the pass under way, or of one that begins now, as the last one began before
    `begun_before`. None when none is due, or another process is at it.
    """
    return await connection.fetchrow(
        """UPDATE scrub
              SET began_at = CASE WHEN began_at > ended_at THEN began_at ELSE $2 END,
                  holder = $1, held_until = clock_timestamp() + interval '10 minutes'
            WHERE (holder = $1 OR held_until < clock_timestamp())
              AND (began_at > ended_at OR began_at <= $3)
        RETURNING client, recording, number""",
        holder,
        now,
        begun_before,
    )


async def keep(connection: Connection, holder: UUID, at: tuple[UUID, UUID, int]) -> bool:
    """All before `at` is read. False: another process has taken over, as this one was silent for too long."""
    kept: bool | None = await connection.fetchval(
        """UPDATE scrub
              SET client = $2, recording = $3, number = $4, held_until = clock_timestamp() + interval '10 minutes'
            WHERE holder = $1
        RETURNING true""",
        holder,
        *at,
    )
    return kept is not None


async def end(connection: Connection, holder: UUID, now: datetime) -> None:
    """The pass is at its end, unless another process has taken over."""
    await connection.execute(
        """UPDATE scrub
              SET client = $3, recording = $3, number = 0, ended_at = greatest(began_at, $2),
                  holder = NULL, held_until = '-infinity'
            WHERE holder = $1""",
        holder,
        now,
        UUID(int=0),
    )


async def next_recording(connection: Connection, client_id: UUID, recording_id: UUID) -> Record | None:
    """`client_id`, `recording_id` and `bytes` of this recording, or of the one after it."""
    return await connection.fetchrow(
        """-- every client: the zones are read as a whole
           SELECT client_id, recording_id, bytes
             FROM recording
            WHERE (client_id, recording_id) >= ($1, $2)
            ORDER BY client_id, recording_id
            LIMIT 1""",
        client_id,
        recording_id,
    )
