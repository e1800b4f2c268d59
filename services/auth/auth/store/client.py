"""Statements on `client` and the platform's register of clients."""

from uuid import UUID

from auth.client import ClientRow
from events.client import ClientSettings, Retention
from guard.access import Access
from guard.database import Connection


async def add(access: Access, row: ClientRow) -> None:
    """A client joins."""
    await access.execute(
        """INSERT INTO client (client_id, name, plan, totp_required, session_idle_seconds, session_absolute_seconds,
                               recordings_days, transcripts_days, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        row.name,
        row.plan,
        row.settings.totp_required,
        row.settings.session_idle_seconds,
        row.settings.session_absolute_seconds,
        row.settings.retention.recordings_days,
        row.settings.retention.transcripts_days,
        row.created_at,
    )
    await access.execute("INSERT INTO client_register (client_id, created_at) VALUES ($1, $2)", row.created_at)


async def find(access: Access) -> ClientRow | None:
    """The caller's own client."""
    row = await access.fetchrow(
        """SELECT client_id, name, plan, totp_required, session_idle_seconds, session_absolute_seconds,
                  recordings_days, transcripts_days, version, created_at
             FROM client
            WHERE client_id = $1"""
    )
    if row is None:
        return None
    return ClientRow(
        client_id=row["client_id"],
        name=row["name"],
        plan=row["plan"],
        settings=ClientSettings(
            totp_required=row["totp_required"],
            session_idle_seconds=row["session_idle_seconds"],
            session_absolute_seconds=row["session_absolute_seconds"],
            retention=Retention(recordings_days=row["recordings_days"], transcripts_days=row["transcripts_days"]),
        ),
        version=row["version"],
        created_at=row["created_at"],
    )


async def hold(access: Access) -> None:
    """Until the commit nobody else changes the caller's own client."""
    await access.execute("SELECT version FROM client WHERE client_id = $1 FOR SHARE")


async def change(access: Access, row: ClientRow) -> bool:
    """Writes what may change, as the version after `row`'s; whether nobody else was faster."""
    changed = await access.execute(
        """UPDATE client
              SET name = $2, totp_required = $3, session_idle_seconds = $4, session_absolute_seconds = $5,
                  recordings_days = $6, transcripts_days = $7, version = version + 1
            WHERE client_id = $1 AND version = $8""",
        row.name,
        row.settings.totp_required,
        row.settings.session_idle_seconds,
        row.settings.session_absolute_seconds,
        row.settings.retention.recordings_days,
        row.settings.retention.transcripts_days,
        row.version,
    )
    return changed == 1


async def is_registered(connection: Connection, client_id: UUID) -> bool:
    """Whether there is such a client."""
    row = await connection.fetchrow("SELECT client_id FROM client_register WHERE client_id = $1", client_id)
    return row is not None


async def registered(connection: Connection, before: UUID | None, limit: int) -> list[UUID]:
    """The ids of clients, newest first: the platform's register, of which nothing more is readable without a client."""
    rows = await connection.fetch(
        """SELECT client_id FROM client_register
            WHERE $1::uuid IS NULL OR client_id < $1
            ORDER BY client_id DESC
            LIMIT $2""",
        before,
        limit,
    )
    return [row["client_id"] for row in rows]
