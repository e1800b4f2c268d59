"""Statements on `client_user`."""

from uuid import UUID

import asyncpg

from auth.user import UserRow
from guard.access import Access


async def add(access: Access, row: UserRow) -> None:
    """A new user."""
    await access.execute(
        """INSERT INTO client_user (client_id, user_id, email_index, sealed, role, status, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        row.user_id,
        row.email_index,
        row.sealed,
        row.role,
        row.status,
        row.created_at,
    )


async def find(access: Access, user_id: UUID) -> UserRow:
    """The user, noted as touched. Raises NotFound, the same for a foreign and an absent id (invariant 12)."""
    row = await access.fetchrow(
        """SELECT u.user_id, u.email_index, u.sealed, u.role, u.status, u.version, u.created_at,
                  c.totp_confirmed_at IS NOT NULL AS has_totp
             FROM client_user u
             LEFT JOIN credential c ON c.client_id = $1 AND c.user_id = u.user_id
            WHERE u.client_id = $1 AND u.user_id = $2""",
        user_id,
    )
    if row is None:
        access.missed("user", user_id)
    access.touch("user", user_id)
    return _row(row)


async def newest(access: Access, before: UUID | None, limit: int) -> tuple[list[UserRow], bool]:
    """Up to `limit` users, newest first, each noted as touched; and whether there are more."""
    rows = await access.fetch(
        """SELECT u.user_id, u.email_index, u.sealed, u.role, u.status, u.version, u.created_at,
                  c.totp_confirmed_at IS NOT NULL AS has_totp
             FROM client_user u
             LEFT JOIN credential c ON c.client_id = $1 AND c.user_id = u.user_id
            WHERE u.client_id = $1 AND ($2::uuid IS NULL OR u.user_id < $2)
            ORDER BY u.user_id DESC
            LIMIT $3""",
        before,
        limit + 1,
    )
    access.touch_none()
    for row in rows[:limit]:
        access.touch("user", row["user_id"])
    return [_row(row) for row in rows[:limit]], len(rows) > limit


async def change(access: Access, row: UserRow, version: int) -> bool:
    """Writes what may change, as the next version; whether nobody else was faster."""
    changed = await access.execute(
        """UPDATE client_user
              SET sealed = $3, role = $4, status = $5, version = version + 1
            WHERE client_id = $1 AND user_id = $2 AND version = $6""",
        row.user_id,
        row.sealed,
        row.role,
        row.status,
        version,
    )
    return changed == 1


async def lock(access: Access, user_id: UUID) -> None:
    """No session of the user begins until the transaction ends."""
    await access.execute("SELECT user_id FROM client_user WHERE client_id = $1 AND user_id = $2 FOR UPDATE", user_id)


async def activate(access: Access, user_id: UUID) -> None:
    """The user has set its first password."""
    await access.execute(
        """UPDATE client_user
              SET status = 'active', version = version + 1
            WHERE client_id = $1 AND user_id = $2""",
        user_id,
    )


async def remove(access: Access, user_id: UUID) -> None:
    """Deletes the user, and with it its credential, sessions, devices and invitations."""
    await access.execute("DELETE FROM client_user WHERE client_id = $1 AND user_id = $2", user_id)


async def has_other_admin(access: Access, user_id: UUID) -> bool:
    """Whether the client has another active administrator. Locks them: two admins cannot remove each other at once."""
    await access.execute("SELECT client_id FROM client WHERE client_id = $1 FOR UPDATE")
    row = await access.fetchrow(
        """SELECT user_id FROM client_user
            WHERE client_id = $1 AND user_id <> $2 AND role = 'admin' AND status = 'active'
            LIMIT 1""",
        user_id,
    )
    return row is not None


async def holds_active(access: Access, user_id: UUID) -> bool:
    """Whether the user is active, held so until the transaction ends: no session begins beside a disabling."""
    row = await access.fetchrow(
        "SELECT status FROM client_user WHERE client_id = $1 AND user_id = $2 FOR SHARE", user_id
    )
    return row is not None and row["status"] == "active"


def _row(row: asyncpg.Record) -> UserRow:
    return UserRow(
        user_id=row["user_id"],
        email_index=row["email_index"],
        sealed=row["sealed"],
        role=row["role"],
        status=row["status"],
        has_totp=row["has_totp"],
        version=row["version"],
        created_at=row["created_at"],
    )
