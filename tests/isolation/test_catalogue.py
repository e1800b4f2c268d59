"""03.2, 03.4: what the database itself says. A table, key, role or function that could leak a client fails here.

Each query names offenders; each is proven by planting one in a scratch schema and seeing it named.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from stack.settings import SERVICES
from support.database import superuser
from support.machine import Machine

# Beside the client's own tables: what has to be known before a client is. Each says why in its comment.
PLATFORM_TABLE = "platform: "

_TENANT_TABLES = """
    SELECT c.oid, n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity,
           coalesce(obj_description(c.oid, 'pg_class'), '') AS comment,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'client_id') AS has_client
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
"""

CHECKS: dict[str, str] = {
    "a table that is neither a client's nor declared the platform's": f"""
        SELECT nspname || '.' || relname AS offender FROM ({_TENANT_TABLES}) t
         WHERE NOT has_client AND comment NOT LIKE 'platform: %' AND NOT (nspname = 'guard' AND relname = 'seal_key')
    """,
    "a table without forced row-level security": f"""
        SELECT nspname || '.' || relname AS offender FROM ({_TENANT_TABLES}) t
         WHERE has_client AND comment NOT LIKE 'platform: %' AND NOT (relrowsecurity AND relforcerowsecurity)
    """,
    "a table without any policy": f"""
        SELECT nspname || '.' || relname AS offender FROM ({_TENANT_TABLES}) t
         WHERE has_client AND comment NOT LIKE 'platform: %'
           AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid)
    """,
    "a writing policy without WITH CHECK": """
        SELECT polrelid::regclass || ': ' || polname AS offender FROM pg_policy
         WHERE polcmd IN ('*', 'a', 'w') AND polwithcheck IS NULL
    """,
    "a policy of a request role that is not the seal": """
        SELECT polrelid::regclass || ': ' || polname AS offender
          FROM pg_policy p
         WHERE EXISTS (SELECT FROM unnest(polroles) r WHERE r = 0 OR pg_get_userbyid(r) LIKE '%\\_request')
           AND (coalesce(pg_get_expr(polqual, polrelid), '') !~ 'guard.client_id\\(\\)'
                AND coalesce(pg_get_expr(polwithcheck, polrelid), '') !~ 'guard.client_id\\(\\)')
           AND NOT (polcmd = 'r' AND coalesce(obj_description(polrelid, 'pg_class'), '') LIKE 'platform: %')
    """,
    "a key between rows that does not begin with the client": f"""
        SELECT k.conrelid::regclass || ': ' || k.conname AS offender
          FROM pg_constraint k JOIN ({_TENANT_TABLES}) t ON t.oid = k.conrelid
         WHERE t.has_client AND t.comment NOT LIKE 'platform: %' AND k.contype IN ('p', 'u', 'f', 'x')
           AND 'client_id' <> (SELECT attname FROM pg_attribute a
                                WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1])
    """,
    "a unique index that does not begin with the client": f"""
        SELECT i.indexrelid::regclass::text AS offender
          FROM pg_index i JOIN ({_TENANT_TABLES}) t ON t.oid = i.indrelid
         WHERE t.has_client AND t.comment NOT LIKE 'platform: %' AND i.indisunique
           AND (i.indkey[0] = 0 OR (SELECT attname FROM pg_attribute a
                                     WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0]) <> 'client_id')
    """,
    # OpenBao's issuer makes the users and grants the groups; pg_hba keeps it out of every service's database.
    "a runtime role that owns, bypasses, creates or rules": """
        SELECT r.rolname AS offender FROM pg_roles r
         WHERE (r.rolname ~ '_(request|job)$' OR EXISTS (
                  SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                   WHERE m.member = r.oid AND g.rolname ~ '_(request|job)$' AND r.rolname <> 'openbao_issuer'))
           AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
                OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid)
                OR pg_has_role(r.oid, 'guard_owner', 'MEMBER'))
    """,
    "a definer function without a fixed search path": """
        SELECT p.oid::regprocedure::text AS offender FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%')
    """,
    "a trigger function without a fixed search path": """
        SELECT DISTINCT p.oid::regprocedure::text AS offender FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
         WHERE NOT t.tgisinternal AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%')
    """,
    # A number that counts for all clients tells each how much the others do.
    "a sequence": """
        SELECT c.oid::regclass::text AS offender FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'S' AND n.nspname !~ '^pg_'
    """,
    # Its subscriber would get every client's rows: row-level security does not hold for replication.
    "a publication or a replication slot": """
        SELECT pubname AS offender FROM pg_publication UNION ALL SELECT slot_name FROM pg_replication_slots
         WHERE slot_type = 'logical'
    """,
    "TRUNCATE granted": """
        SELECT c.oid::regclass || ' to ' || pg_get_userbyid(a.grantee) AS offender
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
         WHERE a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner AND n.nspname !~ '^pg_'
    """,
    "a view that reads with its owner's rights": """
        SELECT c.oid::regclass::text AS offender FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'm' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            OR c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
               AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
    """,
    "anything at all granted to everybody": """
        SELECT c.oid::regclass::text AS offender FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
               aclexplode(c.relacl) a
         WHERE a.grantee = 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
    """,
}

# For each check, a statement that must make it name something.
PLANTED: dict[str, str] = {
    "a table that is neither a client's nor declared the platform's": "CREATE TABLE planted (a int)",
    "a table without forced row-level security": "CREATE TABLE planted (client_id uuid PRIMARY KEY);"
    " ALTER TABLE planted ENABLE ROW LEVEL SECURITY",
    "a table without any policy": "CREATE TABLE planted (client_id uuid);"
    " ALTER TABLE planted ENABLE ROW LEVEL SECURITY; ALTER TABLE planted FORCE ROW LEVEL SECURITY",
    "a writing policy without WITH CHECK": "CREATE TABLE planted (client_id uuid);"
    " CREATE POLICY p ON planted USING (client_id = (SELECT guard.client_id()))",
    "a policy of a request role that is not the seal": "CREATE TABLE planted (client_id uuid);"
    " CREATE POLICY p ON planted USING (client_id = current_setting('app.tenant')::uuid) WITH CHECK (true)",
    "a key between rows that does not begin with the client": "CREATE TABLE planted"
    " (client_id uuid, id uuid PRIMARY KEY)",
    "a unique index that does not begin with the client": "CREATE TABLE planted (client_id uuid, email text);"
    " CREATE UNIQUE INDEX ON planted (email)",
    "a runtime role that owns, bypasses, creates or rules": "ALTER ROLE tenant_data_request BYPASSRLS",
    "a definer function without a fixed search path": "CREATE FUNCTION planted() RETURNS int LANGUAGE sql"
    " SECURITY DEFINER AS 'SELECT 1'",
    "a trigger function without a fixed search path": "CREATE TABLE planted (client_id uuid);"
    " CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " CREATE TRIGGER planted BEFORE INSERT ON planted FOR EACH ROW EXECUTE FUNCTION planted()",
    "a sequence": "CREATE SEQUENCE planted",
    "a publication or a replication slot": "CREATE PUBLICATION planted",
    "TRUNCATE granted": "CREATE TABLE planted (client_id uuid); GRANT TRUNCATE ON planted TO tenant_data_request",
    "a view that reads with its owner's rights": "CREATE VIEW planted AS SELECT 1 AS a",
    "anything at all granted to everybody": "CREATE TABLE planted (client_id uuid); GRANT SELECT ON planted TO PUBLIC",
}


@asynccontextmanager
async def _undone(stack: Machine, database: str) -> AsyncIterator[asyncpg.Connection]:
    async with superuser(stack, database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            await transaction.rollback()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("check", CHECKS)
async def test_nothing_is_named(stack: Machine, service: str, check: str) -> None:
    async with superuser(stack, service) as connection:
        assert [row["offender"] for row in await connection.fetch(CHECKS[check])] == []


@pytest.mark.parametrize("check", CHECKS)
async def test_a_planted_one_is_named(stack: Machine, check: str) -> None:
    async with _undone(stack, "tenant_data") as connection:
        await connection.execute(PLANTED[check])
        assert await connection.fetch(CHECKS[check]) != []


@pytest.mark.parametrize("service", SERVICES)
async def test_there_is_something_to_check(stack: Machine, service: str) -> None:
    async with superuser(stack, service) as connection:
        tables = await connection.fetch(_TENANT_TABLES)
        assert len([table for table in tables if table["has_client"]]) >= 5
