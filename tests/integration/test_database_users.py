"""04.3, 03.2: whoever talks to PostgreSQL is a user of OpenBao's making: short-lived, in one database, and small."""

import asyncio
import ssl

import asyncpg
import pytest

from stack import bao
from stack.bao import Bao
from stack.settings import SERVICES, Stack
from support.machine import Machine

# Refused by a missing grant, or by the host rules before it.
REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)


@pytest.fixture
def here(stack: Machine) -> Stack:
    return stack.stack


async def connected(here: Stack, database: str, user: dict[str, str], context: ssl.SSLContext):
    return await asyncpg.connect(
        host="127.0.0.1",
        port=here.port_of("postgres"),
        database=database,
        user=user["username"],
        password=user["password"],
        ssl=context,
        timeout=5,
    )


async def leased(session: Bao, role: str) -> dict[str, str]:
    user = await session.read(f"database/creds/{role}")
    assert user is not None
    return user


class TestDatabaseUsers:
    @pytest.mark.parametrize("kind", ["request", "job"])
    @pytest.mark.parametrize("service", SERVICES)
    async def test_a_services_user_is_short_lived_and_small(self, here, service, kind):
        async with bao.session(here, service) as session:
            user = await leased(session, f"{service}-{kind}")
            connection = await connected(here, service, user, bao.tls(here, service))
            row = await connection.fetchrow(
                "SELECT rolvaliduntil <= now() + make_interval(secs => $1) AS ends, rolsuper OR rolbypassrls OR"
                " rolcreaterole OR rolcreatedb AS strong FROM pg_roles WHERE rolname = current_user",
                float(here.db_ttl + 60),
            )
            assert tuple(row) == (True, False)
            assert await connection.fetchval("SHOW statement_timeout") != "0"
            assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") != "0"
            for forbidden in (
                f"SET ROLE {service}_owner",
                "SET ROLE guard_owner",
                "SET ROLE openbao_issuer",
                "SELECT ipad FROM guard.seal_key",
                "CREATE TABLE mine (id int)",
                "CREATE TEMP TABLE mine (id int)",
                "SELECT query FROM pg_stat_activity",
                "SELECT pg_terminate_backend(1)",
                "SELECT pg_read_file('/etc/passwd')",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(forbidden)
            await connection.close()

    async def test_a_service_cannot_enter_anothers_database(self, here):
        async with bao.session(here, "auth") as session:
            user = await leased(session, "auth-request")
            for database in ("audit", "tenant_data", "recording_storage", "postgres", "template1"):
                with pytest.raises(REFUSED):
                    await connected(here, database, user, bao.tls(here, "auth"))

    async def test_a_user_and_its_sessions_end_with_its_lease(self, here):
        async with bao.session(here, "audit") as session:
            user = await leased(session, "audit-job")
            connection = await connected(here, "audit", user, bao.tls(here, "audit"))
        # The session's token was revoked at its end, and the user with it.
        for _attempt in range(100):
            if connection.is_closed():
                break
            await asyncio.sleep(0.1)
        assert connection.is_closed()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connected(here, "audit", user, bao.tls(here, "audit"))

    async def test_migrations_make_tables_of_the_owner(self, here):
        async with bao.session(here, "migrator") as session:
            user = await leased(session, "audit-migrate")
            connection = await connected(here, "audit", user, bao.tls(here, "migrator"))
            async with connection.transaction():
                await connection.execute("SET LOCAL ROLE audit_owner; CREATE TABLE trial (id int); DROP TABLE trial")
            await connection.close()
