"""One database with two clients' rows in every table, made for an attack by SQL and undone after it.

Planted as superuser in a transaction that is undone; each of the attacker's statements runs as a role of the service
under a seal, inside a savepoint, and the victim's rows are looked at before it is undone.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from guard.seal import SealKey
from support.catalogue import Table, tenant_tables
from support.database import superuser
from support.machine import Machine
from support.workload import door

DENIED = "42501"  # insufficient_privilege: a grant that is not there, or a policy that refuses


@dataclass
class Said:
    """What the database answered to one statement."""

    error: str = ""
    message: str = ""
    rows: list[Any] = field(default_factory=list)
    is_victim_whole: bool = True

    @property
    def denied(self) -> bool:
        return self.error == DENIED

    @property
    def empty(self) -> bool:
        """Nothing came and nothing changed: refused, or as if the victim's row were not there."""
        return self.is_victim_whole and (self.denied or (not self.error and not self.rows))


@dataclass
class Ground:
    """One database with both clients' rows in every table, as superuser, in a transaction that is rolled back."""

    service: str
    connection: asyncpg.Connection
    seal_key: SealKey
    tables: list[Table]
    victim: UUID = field(default_factory=uuid4)
    attacker: UUID = field(default_factory=uuid4)
    rows: dict[tuple[str, UUID], dict[str, Any]] = field(default_factory=dict)

    @property
    def request(self) -> str:
        return f"{self.service}_request"

    def seal(self, client: UUID, *, pid: int | None = None, lifetime: int = 60, key: SealKey | None = None) -> str:
        return (key or self.seal_key).seal(client, pid or self.connection.get_server_pid(), lifetime=lifetime)

    async def plant(self) -> None:
        # Keys between tables are not what is tried here, and must not stand in the way of a made-up row.
        await self.connection.execute("SET LOCAL session_replication_role = replica")
        for table in self.tables:
            for client in (self.victim, self.attacker):
                row = self.rows[table.name, client] = table.row(client)
                await self.connection.execute(table.insert, *table.values(row))

    async def says(self, table: Table, run: Callable[[asyncpg.Connection], Any], *, role: str, seal: str) -> Said:
        """What `run` is answered as `role` under `seal`; whatever it did is undone, after the victim was looked at."""
        await self.connection.execute("SAVEPOINT attempt")
        said = Said()
        try:
            await self.connection.execute(f"SELECT set_config('guard.seal', '{seal}', true); SET LOCAL ROLE {role}")
            said.rows = list(await run(self.connection) or [])
            await self.connection.execute("RESET ROLE")
            said.is_victim_whole = await self._victim(table) == self.whole[table.name]
        except asyncpg.PostgresError as refused:
            said.error, said.message = str(refused.sqlstate), str(refused)
        await self.connection.execute("ROLLBACK TO attempt; RELEASE attempt")
        return said

    async def _victim(self, table: Table) -> list[str]:
        found = await self.connection.fetch(
            f"SELECT md5(t::text) AS digest FROM {table.name} t WHERE client_id = $1 ORDER BY 1", self.victim
        )
        return [row["digest"] for row in found]

    async def remember(self) -> None:
        self.whole = {table.name: await self._victim(table) for table in self.tables}

    async def may(self, table: Table, right: str) -> bool:
        asked = "has_table_privilege" if right == "DELETE" else "has_any_column_privilege"
        return bool(await self.connection.fetchval(f"SELECT {asked}($1, $2, $3)", self.request, table.name, right))


@asynccontextmanager
async def ground_of(stack: Machine, service: str) -> AsyncIterator[Ground]:
    async with door(stack, service) as opened:
        seal_key = opened.seal_key
    async with superuser(stack, service) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            ground = Ground(service, connection, seal_key, await tenant_tables(connection, service))
            assert len(ground.tables) >= 5
            await ground.plant()
            await ground.remember()
            yield ground
        finally:
            await transaction.rollback()
