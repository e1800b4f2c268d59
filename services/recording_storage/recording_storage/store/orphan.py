"""Statements on what is in the zones and nobody owns: since when that is known. Asked by the job role."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def note(
    connection: Connection, client_id: UUID, recording_id: UUID, now: datetime, unseen_since: datetime
) -> None:
    """Nobody owns it now. Last seen so before `unseen_since` counts as never: it is a row of an older backup, or the
    clock has leapt.
    """
    await connection.execute(
        """INSERT INTO orphan AS known (client_id, recording_id, seen_at, seen_again_at)
           VALUES ($1, $2, $3, $3)
           ON CONFLICT (client_id, recording_id) DO UPDATE
              SET seen_at = CASE WHEN known.seen_again_at < $4 THEN $3 ELSE known.seen_at END, seen_again_at = $3""",
        client_id,
        recording_id,
        now,
        unseen_since,
    )


async def forget(connection: Connection, unseen_since: datetime) -> None:
    """What was not seen again since then has an owner, or is gone."""
    await connection.execute(
        """-- every client: the zones are compared as a whole
           DELETE FROM orphan WHERE seen_again_at < $1""",
        unseen_since,
    )


async def due(
    connection: Connection, seen_before: datetime, seen_again: datetime, after: tuple[UUID, UUID], limit: int
) -> Sequence[Record]:
    """`client_id` and `recording_id` of the next ones after this one that nobody has owned since then, nor now."""
    return await connection.fetch(
        """-- every client: whose they were is known to nobody
           SELECT client_id, recording_id
             FROM orphan
            WHERE seen_at <= $1 AND seen_again_at >= $2 AND (client_id, recording_id) > ($3, $4)
            ORDER BY client_id, recording_id
            LIMIT $5""",
        seen_before,
        seen_again,
        *after,
        limit,
    )
