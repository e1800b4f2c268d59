"""Statements on `challenge`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guard.access import Access


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """Whose password was right, and whether it came from a known device."""

    user_id: UUID
    device_id: UUID | None


async def add(
    access: Access, challenge_id: UUID, pending: Pending, secret_hash: bytes, *, attempts: int, expires_at: datetime
) -> None:
    """A challenge for a user whose password was right."""
    await access.execute(
        """INSERT INTO challenge (client_id, challenge_id, user_id, device_id, secret_hash, attempts_left, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        challenge_id,
        pending.user_id,
        pending.device_id,
        secret_hash,
        attempts,
        expires_at,
    )


async def attempt(access: Access, challenge_id: UUID, secret_hash: bytes) -> Pending | None:
    """Takes one attempt of the challenge, before the code is looked at; None when it is unknown, over or used up.

    The row stays locked until the end: parallel answers to one challenge are looked at one after the other.
    """
    row = await access.fetchrow(
        """UPDATE challenge
              SET attempts_left = attempts_left - 1
            WHERE client_id = $1 AND challenge_id = $2 AND secret_hash = $3 AND attempts_left > 0 AND expires_at > $4
        RETURNING user_id, device_id""",
        challenge_id,
        secret_hash,
        access.now,
    )
    return None if row is None else Pending(row["user_id"], row["device_id"])


async def end(access: Access, challenge_id: UUID) -> None:
    """The challenge was met."""
    await access.execute("DELETE FROM challenge WHERE client_id = $1 AND challenge_id = $2", challenge_id)


async def end_all(access: Access, user_id: UUID) -> None:
    """Nobody may meet a challenge of this user any more: what it rests on has changed."""
    await access.execute("DELETE FROM challenge WHERE client_id = $1 AND user_id = $2", user_id)
