"""04.4: what is in the log stays as it is, whoever asks: no role that runs can change, remove or hide an event."""

import asyncpg
import pytest

from support.database import superuser
from support.machine import Machine

CHANGES = [
    # A value that is not read from the row: else a role that may update and not read would be refused for the reading.
    "UPDATE {} SET client_id = gen_random_uuid()",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
    "DROP TABLE {}",
]


async def refused(connection: asyncpg.Connection, role: str, sql: str) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(sql)


async def tables(connection: asyncpg.Connection) -> list[str]:
    """Both tables and every partition of them."""
    rows = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^access_event'"
    )
    return [row["name"] for row in rows]


@pytest.mark.parametrize("role", ["audit_request", "audit_job"])
@pytest.mark.parametrize("change", CHANGES)
async def test_no_change(stack: Machine, role: str, change: str) -> None:
    async with superuser(stack, "audit") as connection:
        names = await tables(connection)
        assert len(names) >= 2 * 17 + 4
        for name in names:
            await refused(connection, role, change.format(name))


async def test_the_job_role_reads_nothing(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        for name in await tables(connection):
            await refused(connection, "audit_job", f"SELECT 1 FROM {name}")


async def test_the_request_role_writes_nothing(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        for name in await tables(connection):
            await refused(connection, "audit_request", f"INSERT INTO {name} DEFAULT VALUES")


async def test_partitions_are_reached_through_their_table_only(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        for name in set(await tables(connection)) - {"access_event", "access_event_resource"}:
            await refused(connection, "audit_request", f"SELECT 1 FROM {name}")
            await refused(connection, "audit_job", f"INSERT INTO {name} DEFAULT VALUES")


async def test_only_the_job_role_makes_months(stack: Machine) -> None:
    async with superuser(stack, "audit") as connection:
        await refused(connection, "audit_request", "SELECT access_event_make_months(now())")
