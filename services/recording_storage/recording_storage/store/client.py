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
