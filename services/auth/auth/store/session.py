"""Statements on `session` and `refresh_token`."""

from uuid import UUID

import asyncpg

from auth.session import RefreshRow, SessionRow
from guard.access import Access


async def add(access: Access, row: SessionRow) -> None:
    """A session begins."""
    await access.execute(
        """INSERT INTO session (client_id, session_id, user_id, device_id, sealed, created_at, used_at)
           VALUES ($1, $2, $3, $4, $5, $6, $6)""",
        row.session_id,
        row.user_id,
        row.device_id,
        row.sealed,
        row.created_at,
    )


async def add_refresh(access: Access, token_id: UUID, session_id: UUID, secret_hash: bytes) -> None:
    """The next refresh token of a session."""
    await access.execute(
        "INSERT INTO refresh_token (client_id, token_id, session_id, secret_hash) VALUES ($1, $2, $3, $4)",
        token_id,
        session_id,
        secret_hash,
    )


async def find_refresh(access: Access, token_id: UUID) -> RefreshRow | None:
    """A refresh token and its session."""
    row = await access.fetchrow(
        """SELECT s.session_id, s.user_id, s.device_id, s.sealed, s.created_at, s.used_at, s.ended_at, t.secret_hash
             FROM refresh_token t
             JOIN session s ON s.client_id = $1 AND s.session_id = t.session_id
            WHERE t.client_id = $1 AND t.token_id = $2""",
        token_id,
    )
    return None if row is None else RefreshRow(_row(row), row["secret_hash"])


async def spend_refresh(access: Access, token_id: UUID) -> bool:
    """Whether this is the token's first use. Parallel users of one token wait here for each other: one gets True."""
    changed = await access.execute(
        "UPDATE refresh_token SET used_at = $3 WHERE client_id = $1 AND token_id = $2 AND used_at IS NULL",
        token_id,
        access.now,
    )
    return changed == 1


async def use(access: Access, session_id: UUID, sealed: bytes) -> bool:
    """The session goes on, from where `sealed` says; False when it has ended meanwhile."""
    changed = await access.execute(
        """UPDATE session
              SET used_at = $4, sealed = $3
            WHERE client_id = $1 AND session_id = $2 AND ended_at IS NULL""",
        session_id,
        sealed,
        access.now,
    )
    return changed == 1


async def find(access: Access, session_id: UUID, user_id: UUID) -> SessionRow | None:
    """One of the user's sessions."""
    row = await access.fetchrow(
        """SELECT session_id, user_id, device_id, sealed, created_at, used_at, ended_at
             FROM session
            WHERE client_id = $1 AND session_id = $2 AND user_id = $3""",
        session_id,
        user_id,
    )
    return None if row is None else _row(row)


async def live(access: Access, user_id: UUID, before: UUID | None, limit: int) -> list[SessionRow]:
    """Up to `limit` of the user's sessions that have not ended, by anybody or by their age; newest first."""
    rows = await access.fetch(
        """SELECT s.session_id, s.user_id, s.device_id, s.sealed, s.created_at, s.used_at, s.ended_at
             FROM session s
             JOIN client c ON c.client_id = $1
            WHERE s.client_id = $1 AND s.user_id = $2 AND s.ended_at IS NULL
              AND s.created_at > $5::timestamptz - make_interval(secs => c.session_absolute_seconds)
              AND s.used_at > $5::timestamptz - make_interval(secs => c.session_idle_seconds)
              AND ($3::uuid IS NULL OR s.session_id < $3)
            ORDER BY s.session_id DESC
            LIMIT $4""",
        user_id,
        before,
        limit,
        access.now,
    )
    return [_row(row) for row in rows]


async def end(access: Access, user_id: UUID, session_id: UUID) -> bool:
    """Ends one session; False when it is not the user's, or was over."""
    changed = await access.execute(
        """UPDATE session
              SET ended_at = $4
            WHERE client_id = $1 AND user_id = $2 AND session_id = $3 AND ended_at IS NULL""",
        user_id,
        session_id,
        access.now,
    )
    return changed == 1


async def end_all(access: Access, user_id: UUID, but: UUID | None = None) -> list[UUID]:
    """Ends the user's sessions, but for one; those that were alive."""
    rows = await access.fetch(
        """UPDATE session
              SET ended_at = $4
            WHERE client_id = $1 AND user_id = $2 AND ended_at IS NULL AND ($3::uuid IS NULL OR session_id <> $3)
        RETURNING session_id""",
        user_id,
        but,
        access.now,
    )
    return [row["session_id"] for row in rows]


def _row(row: asyncpg.Record) -> SessionRow:
    return SessionRow(
        session_id=row["session_id"],
        user_id=row["user_id"],
        device_id=row["device_id"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        used_at=row["used_at"],
        ended_at=row["ended_at"],
    )
