"""Forward-only migrations: ordered SQL files, each in its own transaction, applied once and never changed after.

Runs as a short-lived user of the owner role, which no running service holds (04.3).
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.database import Connection

_log = logging.getLogger("guard.migrate")
_LOCK = 0x6B6F6E6369  # "konci": one migration of a database at a time


class Drifted(Exception):
    """An applied migration was edited. Its message says which; write a new file instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name orders it, its SHA-256 pins it."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """The migrations of `folder`, `0001_….sql` first. Raises FileNotFoundError when there is none."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not files:
        raise FileNotFoundError(folder)
    return [Migration(path.stem, path.read_text(encoding="utf-8")) for path in files]


async def apply(connection: Connection, owner: str, migrations: Sequence[Migration]) -> list[str]:
    """Applies what is missing as role `owner`; the names applied. Raises Drifted when an applied file was changed."""
    await connection.execute(f'SET ROLE "{owner}"')
    # A waiting ALTER blocks every reader behind it: give up instead and let the operator choose the hour.
    await connection.execute("SET lock_timeout = '4s'; SET statement_timeout = '60s'")
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, digest text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now());"
            " COMMENT ON TABLE migration IS 'platform: which files were applied to this database'"
        )
        known = {row["name"]: row["digest"] for row in await connection.fetch("SELECT name, digest FROM migration")}
        return [m.name for m in migrations if await _apply(connection, m, known.get(m.name))]
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _apply(connection: Connection, migration: Migration, known: str | None) -> bool:
    if known is not None:
        if known != migration.digest:
            raise Drifted(f"{migration.name} was changed after it was applied: restore it and write a new file")
        return False
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO migration (name, digest) VALUES ($1, $2)", migration.name, migration.digest
        )
    _log.info("migration applied", extra={"migration": migration.name})
    return True
