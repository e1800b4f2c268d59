"""Statements on `revocation`, and those of the job role that look across clients for what is over."""

from datetime import datetime
from uuid import UUID

from events.revocation import Revoked, RevokedKind
from guard.access import Access
from guard.database import Connection


async def add(access: Access, revoked: Revoked) -> None:
    """Keeps a revocation for as long as a token that it ends could live."""
    await access.execute(
        """INSERT INTO revocation AS r (client_id, kind, id, at, expires_at)
           VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (client_id, kind, id) DO UPDATE SET at = $4, expires_at = $5 WHERE r.client_id = $1""",
        revoked.kind.value,
        revoked.id,
        revoked.at,
        revoked.expires_at,
    )


async def is_active(
    connection: Connection, client_id: UUID, user_id: UUID, session_id: UUID, issued_at: datetime
) -> bool:
    """Whether a user's token of that time still counts."""
    row = await connection.fetchrow(
        """SELECT s.session_id
             FROM session s
             JOIN client_user u ON u.client_id = $1 AND u.user_id = s.user_id
            WHERE s.client_id = $1 AND s.session_id = $2 AND s.user_id = $3
              AND s.ended_at IS NULL AND u.status = 'active'
              AND NOT EXISTS (SELECT FROM revocation r
                               WHERE r.client_id = $1 AND r.at >= $4
                                 AND (r.kind = 'user' AND r.id = $3::uuid::text
                                      OR r.kind = 'client' AND r.id = $1::uuid::text))""",
        client_id,
        session_id,
        user_id,
        issued_at,
    )
    return row is not None


async def standing(connection: Connection, now: datetime) -> list[Revoked]:
    """Every client's revocations that still matter. The job role's: `auth.revocations` is one topic for all."""
    rows = await connection.fetch(
        """-- every client: one topic tells all services of all clients
           SELECT client_id, kind, id, at, expires_at
             FROM revocation
            WHERE expires_at > $1
            ORDER BY at""",
        now,
    )
    return [
        Revoked(
            kind=RevokedKind(row["kind"]),
            id=row["id"],
            client_id=row["client_id"],
            at=row["at"],
            expires_at=row["expires_at"],
        )
        for row in rows
    ]


async def prune(connection: Connection, now: datetime, sessions_before: datetime, devices_before: datetime) -> None:
    """Deletes every client's rows that nobody can use any more. The job role's."""
    await connection.execute(
        """-- every client: a revocation is over when no token that it ends can be alive
           DELETE FROM revocation WHERE expires_at <= $1""",
        now,
    )
    await connection.execute(
        """-- every client: a challenge is over after five minutes
           DELETE FROM challenge WHERE expires_at <= $1""",
        now,
    )
    await connection.execute(
        """-- every client: no session lives longer than a day, and its refresh tokens go with it
           DELETE FROM session WHERE created_at < $1""",
        sessions_before,
    )
    await connection.execute(
        """-- every client: a device that was away for so long is not known any more
           DELETE FROM device WHERE used_at < $1""",
        devices_before,
    )
    await connection.execute("DELETE FROM throttle WHERE until <= $1", now)
