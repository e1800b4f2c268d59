"""Statements on what `auth` told about clients. The job role runs them, never a route."""

from datetime import datetime
from uuid import UUID

from guard.database import Connection


async def save_client(connection: Connection, client_id: UUID, recordings_days: int, at: datetime) -> None:
    """How long this client's recordings are kept, unless something newer is known: events may come again."""
    await connection.execute(
        """INSERT INTO client (client_id, recordings_days, changed_at)
           VALUES ($1, $2, $3)
           ON CONFLICT (client_id) DO UPDATE SET recordings_days = excluded.recordings_days,
                                                 changed_at = excluded.changed_at
            WHERE client.client_id = $1 AND client.changed_at <= excluded.changed_at""",
        client_id,
        recordings_days,
        at,
    )


async def close_client(connection: Connection, client_id: UUID, at: datetime, recordings_days: int) -> None:
    """This client has left. A client that has left does not come back under its old id.

    `recordings_days` are for one of which nothing else is known. Whatever is learnt of its own days, is newer.
    """
    await connection.execute(
        """INSERT INTO client (client_id, recordings_days, closed_at, changed_at)
           VALUES ($1, $3, $2, '-infinity')
           ON CONFLICT (client_id) DO UPDATE SET closed_at = coalesce(client.closed_at, excluded.closed_at)
            WHERE client.client_id = $1""",
        client_id,
        at,
        recordings_days,
    )
