"""Statements on `login`: the platform's directory of e-mail indexes. Only a row's own client may write it."""

from uuid import UUID

from guard.access import Access
from guard.database import Connection


async def find(connection: Connection, email_index: bytes) -> tuple[UUID, UUID] | None:
    """The client and the user of an e-mail, before either is known."""
    row = await connection.fetchrow("SELECT client_id, user_id FROM login WHERE email_index = $1", email_index)
    return None if row is None else (row["client_id"], row["user_id"])


async def hold_nobody(access: Access) -> None:
    """Of two who find that nobody has no key yet, one waits here until the other has made it."""
    await access.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('auth nobody', 0))")


async def claim(access: Access, email_index: bytes, user_id: UUID) -> bool:
    """Whether the e-mail was free and is this user's now. Of two who claim it at a time, one waits and gets False."""
    changed = await access.execute(
        """INSERT INTO login (client_id, email_index, user_id)
           VALUES ($1, $2, $3)
               ON CONFLICT (email_index) DO NOTHING""",
        email_index,
        user_id,
    )
    return changed == 1


async def release(access: Access, user_id: UUID) -> None:
    """The user's e-mail may be used by others again."""
    await access.execute("DELETE FROM login WHERE client_id = $1 AND user_id = $2", user_id)
