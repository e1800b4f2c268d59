"""Statements on `operator`, a table of the platform: operators belong to no client."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guard.database import Connection


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """Who may operate, with which rights."""

    name: str
    rights: tuple[str, ...]
    created_at: datetime


# Locks by name: to its policies a row's lock is an update, and a client's transaction may not update operators.
async def hold(connection: Connection, name: str) -> None:
    """Whoever removes the operator, or takes a right from it, waits until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('operator ' || $1, 0))", name)


async def lock(connection: Connection, name: str) -> None:
    """No token of the operator is minted until this transaction ends, and those that were being minted are."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('operator ' || $1, 0))", name)


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


async def is_active(connection: Connection, platform: UUID, name: str, issued_at: datetime) -> bool:
    """Whether an operator's token of that time still counts: none does from before a removal or a loss of rights."""
    row = await connection.fetchrow(
        """SELECT o.name
             FROM operator o
            WHERE o.name = $2
              AND NOT EXISTS (SELECT FROM revocation r
                               WHERE r.client_id = $1 AND r.kind = 'operator' AND r.id = $2 AND r.at >= $3)""",
        platform,
        name,
        issued_at,
    )
    return row is not None


async def every(connection: Connection) -> list[OperatorRow]:
    """All operators by name."""
    rows = await connection.fetch("SELECT name, rights, created_at FROM operator ORDER BY name")
    return [OperatorRow(row["name"], tuple(row["rights"]), row["created_at"]) for row in rows]


async def remove(connection: Connection, name: str) -> None:
    """Not an operator any more."""
    await connection.execute("DELETE FROM operator WHERE name = $1", name)
