"""What PostgreSQL holds before any service has run: databases, roles, the schema guard, the seal keys, and OpenBao's
database engine as the one maker of users. Idempotent; it must never drop a thing.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Any

import guard
from guard.seal import SealKey
from stack import bao, configured, postgres
from stack.bao import Bao
from stack.postgres import Connection
from stack.settings import SERVICES, Stack, StackError

ISSUER = "openbao_issuer"
_ENGINE = "database/config/postgres"
_ROTATED = "password rotated: known to OpenBao alone"
_KINDS = ("request", "job", "migrate")
_MIGRATE_SECONDS = 600

# Ending the sessions first: DROP ROLE alone leaves them open, half alive.
_REVOKE = [
    'ALTER ROLE "{{name}}" NOLOGIN',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
    'DROP ROLE IF EXISTS "{{name}}"',
]


async def reconcile(stack: Stack) -> None:
    """Bring PostgreSQL and OpenBao's database engine to what the repository says."""
    async with bao.session(stack) as session:
        main = await postgres.superuser(stack)
        try:
            await main.execute((stack.repo / "deploy" / "postgres" / "roles.sql").read_text())
            for service in SERVICES:
                await _create(main, service)
            for service in SERVICES:
                await _fill(stack, session, service)
            await _issuer(stack, session, main)
        finally:
            await main.close()
        await _roles(stack, session)
    configured.note(stack, "databases")


async def _create(main: Connection, service: str) -> None:
    if not await main.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", service):
        # template0: what somebody put into template1 must not come along.
        await main.execute(f"CREATE DATABASE {service} OWNER postgres TEMPLATE template0 ENCODING 'UTF8'")


async def _fill(stack: Stack, session: Bao, service: str) -> None:
    secret = await session.read(f"kv/data/{service}/seal")
    if secret is None:
        message = f"OpenBao has no seal key for {service}: run `konci up` for the whole stack"
        raise StackError(message)
    seal = SealKey(kid=int(secret["data"]["kid"]), key=bytes.fromhex(secret["data"]["key"]))
    connection = await postgres.superuser(stack, service)
    try:
        await connection.execute((stack.repo / "deploy" / "postgres" / "roles.sql").read_text())
        await _guard(connection)
        await connection.execute(
            "INSERT INTO guard.seal_key (kid, ipad, opad) VALUES ($1, $2, $3)"
            " ON CONFLICT (kid) DO UPDATE SET ipad = excluded.ipad, opad = excluded.opad"
            " WHERE (seal_key.ipad, seal_key.opad) IS DISTINCT FROM (excluded.ipad, excluded.opad)",
            seal.kid,
            *seal.pads(),
        )
    finally:
        await connection.close()


async def _guard(connection: Connection) -> None:
    sql = (Path(guard.__path__[0]) / "sql" / "guard.sql").read_text()
    applied = f"guard.sql {hashlib.sha256(sql.encode()).hexdigest()}"
    if await connection.fetchval("SELECT obj_description(to_regnamespace('guard'), 'pg_namespace')") == applied:
        # Said again it would lock the outbox, weakly and then fully, against the relays that run: a deadlock.
        return
    await connection.execute(f"{sql}\nCOMMENT ON SCHEMA guard IS '{applied}'")


async def _issuer(stack: Stack, session: Bao, main: Connection) -> None:
    """Hand the issuer's password to OpenBao, once: it changes it at once, and nobody else knows it from then on."""
    engine = await session.read(_ENGINE)
    comment = await main.fetchval(
        "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1 AND rolcanlogin", ISSUER
    )
    url = _url(stack)
    if engine and comment == _ROTATED and engine["connection_details"].get("connection_url") == url:
        return
    password = secrets.token_urlsafe(32)
    await main.execute(f"ALTER ROLE {ISSUER} LOGIN PASSWORD '{password}'")  # url-safe characters only
    await main.execute(f"COMMENT ON ROLE {ISSUER} IS NULL")
    await session.write(
        _ENGINE,
        plugin_name="postgresql-database-plugin",
        allowed_roles=[*(f"{service}-{kind}" for service in SERVICES for kind in _KINDS), "keeper"],
        connection_url=url,
        username=ISSUER,
        password=password,
        password_authentication="scram-sha-256",  # noqa: S106 - how OpenBao sends passwords, not one
        max_open_connections=4,
        # The certificate is read again with each new connection: an old one must not be needed for long.
        max_connection_lifetime="60s",
    )
    await session.write("database/rotate-root/postgres")
    await main.execute(f"COMMENT ON ROLE {ISSUER} IS '{_ROTATED}'")


def _url(stack: Stack) -> str:
    identity = stack.identity("openbao")
    files = f"sslrootcert={stack.ca}&sslcert={identity / 'identity.pem'}&sslkey={identity / 'identity.pem'}"
    port = stack.port_of("postgres")
    return f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/postgres?sslmode=verify-full&{files}"


async def _roles(stack: Stack, session: Bao) -> None:
    ttl = stack.db_ttl
    for service in SERVICES:
        # Shorter than the life a user has left when its successor comes: no transaction is cut off.
        await _role(session, f"{service}-request", f"{service}_request", ttl, statement="5s", idle="5s")
        await _role(session, f"{service}-job", f"{service}_job", ttl, statement="30s", idle="15s")
        await _role(session, f"{service}-migrate", f"{service}_owner", _MIGRATE_SECONDS, statement="5min", idle="60s")
    await _role(session, "keeper", "pg_monitor", ttl, statement="5s", idle="5s")


async def _role(session: Bao, name: str, group: str, ttl: int, *, statement: str, idle: str) -> None:
    create = [
        (
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
            f" CONNECTION LIMIT 40 IN ROLE {group}"
        ),
        f"ALTER ROLE \"{{{{name}}}}\" SET statement_timeout = '{statement}'",
        f"ALTER ROLE \"{{{{name}}}}\" SET idle_in_transaction_session_timeout = '{idle}'",
    ]
    values: dict[str, Any] = {"default_ttl": ttl, "max_ttl": ttl}
    await session.write(
        f"database/roles/{name}",
        db_name="postgres",
        creation_statements=create,
        revocation_statements=_REVOKE,
        **values,
    )
