"""Statements on `invitation`."""

from datetime import datetime
from uuid import UUID

from guard.access import Access


async def renew(access: Access, invitation_id: UUID, user_id: UUID, secret_hash: bytes, expires_at: datetime) -> None:
    """The user's one invitation; those before are void."""
    await access.execute("DELETE FROM invitation WHERE client_id = $1 AND user_id = $2", user_id)
    await access.execute(
        """INSERT INTO invitation (client_id, invitation_id, user_id, secret_hash, expires_at)
           VALUES ($1, $2, $3, $4, $5)""",
        invitation_id,
        user_id,
        secret_hash,
        expires_at,
    )


async def find(access: Access, invitation_id: UUID, secret_hash: bytes) -> UUID | None:
    """Whose invitation it is, or None as `accept` says it; it stays good."""
    row = await access.fetchrow(
        """SELECT user_id
             FROM invitation
            WHERE client_id = $1 AND invitation_id = $2 AND secret_hash = $3 AND expires_at > $4""",
        invitation_id,
        secret_hash,
        access.now,
    )
    return None if row is None else row["user_id"]


async def accept(access: Access, invitation_id: UUID, secret_hash: bytes) -> UUID | None:
    """Spends an invitation; whose it was, or None when it is unknown, over or spent."""
    row = await access.fetchrow(
        """DELETE FROM invitation
            WHERE client_id = $1 AND invitation_id = $2 AND secret_hash = $3 AND expires_at > $4
        RETURNING user_id""",
        invitation_id,
        secret_hash,
        access.now,
    )
    return None if row is None else row["user_id"]
