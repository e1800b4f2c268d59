"""Statements on `operator`, a table of the platform: operators belong to no client."""

from dataclasses import dataclass
from datetime import datetime

from guard.database import Connection


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """Who may operate, with which rights."""

    name: str
    rights: tuple[str, ...]
    created_at: datetime


async def put(connection: Connection, row: OperatorRow) -> None:
    """Registers an operator, or gives a registered one these rights."""
    await connection.execute(
        """INSERT INTO operator (name, rights, created_at)
           VALUES ($1, $2, $3)
               ON CONFLICT (name) DO UPDATE SET rights = $2""",
        row.name,
        list(row.rights),
        row.created_at,
    )


async def find(connection: Connection, name: str) -> OperatorRow | None:
    """The operator, while it is one."""
    row = await connection.fetchrow("SELECT name, rights, created_at FROM operator WHERE name = $1", name)
    return None if row is None else OperatorRow(row["name"], tuple(row["rights"]), row["created_at"])


async def every(connection: Connection) -> list[OperatorRow]:
    """All operators by name."""
    rows = await connection.fetch("SELECT name, rights, created_at FROM operator ORDER BY name")
    return [OperatorRow(row["name"], tuple(row["rights"]), row["created_at"]) for row in rows]


async def remove(connection: Connection, name: str) -> None:
    """Not an operator any more."""
    await connection.execute("DELETE FROM operator WHERE name = $1", name)
