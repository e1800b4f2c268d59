"""Statements on what `auth` told about clients. The job role runs them, never a route."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.database import Connection


async def save_client(connection: Connection, client_id: UUID, transcripts_days: int, at: datetime) -> None:
    """How long this client's transcripts are kept, unless something newer is known: events may come again."""
    await connection.execute(
        """INSERT INTO client (client_id, transcripts_days, changed_at)
           VALUES ($1, $2, $3)
           ON CONFLICT (client_id) DO UPDATE SET transcripts_days = excluded.transcripts_days,
                                                 changed_at = excluded.changed_at
            WHERE client.client_id = $1 AND client.changed_at <= excluded.changed_at""",
        client_id,
        transcripts_days,
        at,
    )


async def close_client(connection: Connection, client_id: UUID, at: datetime) -> None:
    """This client has left. A client that has left does not come back under its old id."""
    await connection.execute(
        """INSERT INTO client (client_id, closed_at, changed_at)
           VALUES ($1, $2, $2)
           ON CONFLICT (client_id) DO UPDATE SET closed_at = coalesce(client.closed_at, excluded.closed_at)
            WHERE client.client_id = $1""",
        client_id,
        at,
    )


async def clients_with_expired_transcripts(connection: Connection, now: datetime) -> Sequence[Record]:
    """`client_id` and `created_before` of each client that has transcripts to delete."""
    return await connection.fetch(
        """-- every client: policy every_client of the job role, which sees no content
           SELECT c.client_id, $1::timestamptz - make_interval(days => c.transcripts_days) AS created_before
             FROM client c
            WHERE c.transcripts_days IS NOT NULL
              AND EXISTS (SELECT
                            FROM transcript t
                           WHERE t.client_id = c.client_id
                             AND t.created_at < $1::timestamptz - make_interval(days => c.transcripts_days))""",
        now,
    )
