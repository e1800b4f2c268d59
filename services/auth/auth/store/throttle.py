"""Statements on `throttle`, a table of the platform: its rows name no client."""

from datetime import UTC, datetime

from guard.database import Connection


async def count(connection: Connection, key: bytes, now: datetime, until: datetime) -> tuple[int, datetime]:
    """One attempt more, in one statement; how many there are, and when the count ends."""
    row = await connection.fetchrow(
        """INSERT INTO throttle AS t (key, attempts, until)
           VALUES ($1, 1, $3)
               ON CONFLICT (key) DO UPDATE
              SET attempts = CASE WHEN t.until <= $2 THEN 1 ELSE t.attempts + 1 END,
                  until = CASE WHEN t.until <= $2 THEN $3 ELSE t.until END
        RETURNING attempts, until""",
        key,
        now,
        until,
    )
    assert row is not None  # noqa: S101 - an upsert returns its row
    return row["attempts"], row["until"]


async def standing(connection: Connection, key: bytes) -> tuple[int, datetime]:
    """How many attempts there are, and when the count ends; without a row none, long ago."""
    row = await connection.fetchrow("SELECT attempts, until FROM throttle WHERE key = $1", key)
    return (0, datetime.min.replace(tzinfo=UTC)) if row is None else (row["attempts"], row["until"])


async def uncount(connection: Connection, key: bytes) -> None:
    """Takes one attempt back."""
    await connection.execute("UPDATE throttle SET attempts = greatest(attempts - 1, 0) WHERE key = $1", key)


async def forget(connection: Connection, key: bytes) -> None:
    """Starts the count anew."""
    await connection.execute("DELETE FROM throttle WHERE key = $1", key)
