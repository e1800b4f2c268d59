"""03.2, 03.4: SQL injected into a statement of a service, with all that a service's own role may do, moves no client.

The planted statement is the worst there can be: text of the attacker's runs inside the victim service's transaction.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from events.access import PLATFORM, Action
from events.topic import TOPICS
from events.uuid7 import uuid7
from guard import errors, tenant
from guard.access import Door
from guard.seal import LIFETIME, SealKey
from support.hotel import Hotel
from support.machine import Machine
from support.workload import caller, door

TABLES = ("guest", "guest_index", "call", "transcript", "guard.data_key", "guard.subject_key", "guard.idempotency")


@pytest.fixture(scope="module")
async def inside(stack: Machine) -> AsyncIterator[Door]:
    async with door(stack, "tenant_data") as opened:
        yield opened


async def _tables(inside: Door) -> list[str]:
    async with tenant.platform_transaction(inside.pools.request) as connection:
        rows = await connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'client_id' AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')"
        )
    return [row["name"] for row in rows]


async def _seen(inside: Door, otter: Hotel, *injected: str) -> dict[str, set[str]]:
    """Which clients' rows each table shows to Otter House after the injected statements, by table."""
    seen: dict[str, set[str]] = {}
    for table in await _tables(inside):
        seen[table] = set()
        try:
            async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
                for statement in injected:
                    await connection.execute(statement)
                rows = await connection.fetch(f"SELECT client_id FROM {table} OFFSET 0")
                seen[table] = {str(row["client_id"]) for row in rows}
        except (asyncpg.PostgresError, errors.Unavailable):
            continue  # refused: nothing was seen
    return seen


def _others(seen: dict[str, set[str]], otter: Hotel) -> dict[str, set[str]]:
    return {
        table: clients - {str(otter.client_id)} for table, clients in seen.items() if clients - {str(otter.client_id)}
    }


@pytest.fixture(autouse=True, scope="module")
def _both_have_rows(otter: Hotel, heron: Hotel) -> None:
    for hotel in (otter, heron):
        guest = hotel.guest(email="someone@example.com")
        hotel.call(guest_id=guest["id"])


async def test_the_probe_sees_its_own_rows(inside: Door, otter: Hotel) -> None:
    seen = await _seen(inside, otter)
    assert seen["guest"] == seen["call"] == seen["guard.subject_key"] == {str(otter.client_id)}


async def test_without_any_client_filter(inside: Door, otter: Hotel) -> None:
    assert _others(await _seen(inside, otter), otter) == {}


@pytest.mark.parametrize("is_local", ["true", "false"])
async def test_set_config_with_another_client(inside: Door, otter: Hotel, heron: Hotel, is_local: str) -> None:
    forged = f"SELECT set_config('guard.seal', '{heron.client_id}', {is_local})"
    assert _others(await _seen(inside, otter, forged), otter) == {}


async def test_set_config_with_a_seal_of_the_wrong_key(inside: Door, otter: Hotel, heron: Hotel) -> None:
    async with tenant.platform_transaction(inside.pools.request) as connection:
        pid = connection.get_server_pid()
    forged = SealKey(inside.seal_key.kid, bytes(32)).seal(heron.client_id, pid)
    assert _others(await _seen(inside, otter, f"SELECT set_config('guard.seal', '{forged}', true)"), otter) == {}


async def test_set_config_inside_the_statement_itself(inside: Door, otter: Hotel, heron: Hotel) -> None:
    """Its own rows when the seal was read before the injected call ran, a refusal when after: the planner chooses."""
    rows = []
    with contextlib.suppress(errors.Unavailable):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            planted = (
                "SELECT client_id FROM guest WHERE client_id = $1"
                f" OR (SELECT set_config('guard.seal', '{heron.client_id}', true)) IS NOT NULL"
            )
            rows = await connection.fetch(planted, otter.client_id)
    assert {row["client_id"] for row in rows} <= {otter.client_id}


async def test_another_clients_live_seal_of_another_connection(inside: Door, otter: Hotel, heron: Hotel) -> None:
    async with tenant.transaction(inside.pools.request, caller(heron.client_id), inside.seal_key) as victim:
        live = await victim.fetchval("SELECT current_setting('guard.seal')")
        assert await victim.fetchval("SELECT count(*) FROM guest") > 0  # the copied seal is good where it belongs
        seen = await _seen(inside, otter, f"SELECT set_config('guard.seal', '{live}', true)")
    assert _others(seen, otter) == {}


async def test_another_clients_seal_of_this_very_connection(inside: Door, otter: Hotel, heron: Hotel) -> None:
    """The one replay that its MAC allows: the seal itself is unreadable to others, and over within seconds."""
    async with tenant.transaction(inside.pools.request, caller(heron.client_id), inside.seal_key) as connection:
        old = await connection.fetchval("SELECT current_setting('guard.seal')")
        pid = connection.get_server_pid()
    await asyncio.sleep(LIFETIME + 1.1)
    for _ in range(20):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            if connection.get_server_pid() != pid:
                continue
            await connection.execute(f"SELECT set_config('guard.seal', '{old}', true)")
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await connection.fetch("SELECT client_id FROM guest")
            await connection.execute("ROLLBACK; BEGIN")
            return
    raise AssertionError("the same connection was not given out again")


_FORGE = "INSERT INTO guard.outbox (client_id, event_id, topic, key, payload) VALUES ($1, $2, $3, $4, $5)"


@pytest.mark.parametrize("topic", sorted(topic for topic in TOPICS if not topic.endswith(".dlq")))
async def test_an_event_that_speaks_for_another_client(inside: Door, otter: Hotel, heron: Hotel, topic: str) -> None:
    """04.4: a row sealed for one client carries nothing about another one, under no key of another's, to any topic."""
    mine, other = str(otter.client_id), str(heron.client_id)
    for said, key in (({"client_id": other}, mine), ({"client_id": mine}, other), ({}, mine), ({}, "heartbeat")):
        event_id = uuid7()
        payload = json.dumps({**said, "event_id": str(event_id)})
        with pytest.raises(asyncpg.CheckViolationError):
            async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
                await connection.execute(_FORGE, otter.client_id, event_id, topic, key, payload)


@pytest.mark.parametrize("column", ["payload", "key", "trace"])
async def test_a_message_that_kafka_would_not_take(inside: Door, otter: Hotel, column: str) -> None:
    """Or every event that is claimed beside it would wait with it."""
    event_id, mine, fill = uuid7(), str(otter.client_id), "x" * 2**20
    said = {"client_id": mine, "event_id": str(event_id)} | ({"fill": fill} if column == "payload" else {})
    key = f"{mine}:{fill}" if column == "key" else mine
    forge = _FORGE.replace(", payload)", ", payload, trace)").replace("$5)", "$5, $6)")
    values = (json.dumps(said), fill if column == "trace" else "")
    with pytest.raises(asyncpg.CheckViolationError):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            await connection.execute(forge, otter.client_id, event_id, "auth.revocations", key, *values)


@pytest.mark.parametrize(("column", "value"), [("sends", "1024"), ("due_at", "'-infinity'"), ("created_at", "now()")])
async def test_a_row_that_comes_first_for_ever(inside: Door, otter: Hotel, column: str, value: str) -> None:
    """Who writes what is sent decides neither when, nor how often it seems to have been."""
    forge = _FORGE.replace(", payload)", f", payload, {column})").replace("$5)", f"$5, {value})")
    event_id, mine = uuid7(), str(otter.client_id)
    payload = json.dumps({"client_id": mine, "event_id": str(event_id)})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            await connection.execute(forge, otter.client_id, event_id, "access.tenant_data", mine, payload)


async def test_an_expired_seal(inside: Door, heron: Hotel) -> None:
    async with tenant.platform_transaction(inside.pools.request) as connection:
        expired = inside.seal_key.seal(heron.client_id, connection.get_server_pid(), lifetime=-1)
        await connection.execute(f"SELECT set_config('guard.seal', '{expired}', true)")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await connection.fetch("SELECT client_id FROM guest")
        await connection.execute("ROLLBACK; BEGIN")
        live = inside.seal_key.seal(heron.client_id, connection.get_server_pid(), lifetime=5)
        await connection.execute(f"SELECT set_config('guard.seal', '{live}', true)")
        assert await connection.fetch("SELECT client_id FROM guest")  # the control: only its time was wrong


@pytest.mark.parametrize(
    "role", ["tenant_data_owner", "tenant_data_job", "guard_owner", "postgres", "auth_request", "audit_job"]
)
@pytest.mark.parametrize("verb", ["SET ROLE", "SET LOCAL ROLE", "SET SESSION AUTHORIZATION"])
async def test_another_role(inside: Door, otter: Hotel, role: str, verb: str) -> None:
    async with tenant.platform_transaction(inside.pools.request) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"{verb} {role}")
        await connection.execute("ROLLBACK; BEGIN")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ipad FROM guard.seal_key",
        "SELECT payload FROM guard.outbox",
        "SET LOCAL row_security = off; SELECT client_id FROM guest",
        "ALTER TABLE guest DISABLE ROW LEVEL SECURITY",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE TABLE public.t (a int)",
        "COPY guest TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT query FROM pg_stat_activity",
        "SELECT pg_stat_get_backend_activity(1)",
        "SELECT lo_from_bytea(0, 'a')",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT lo_import('/etc/passwd')",
        "TRUNCATE guest",
        "CALL guard.install('tenant_data')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM guard.outbox",
        "UPDATE guard.outbox SET payload = ''",
    ],
)
async def test_a_statement_beyond_its_rights(inside: Door, otter: Hotel, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            await connection.execute(statement)


async def test_writing_a_row_of_another_client(inside: Door, otter: Hotel, heron: Hotel) -> None:
    for statement in (
        "UPDATE guest SET client_id = $1",
        """INSERT INTO guard.outbox (client_id, event_id, topic, key, payload)
           VALUES ($1, gen_random_uuid(), 'tenant_data.guests', 'k', '{}')""",
        """INSERT INTO guard.data_key (client_id, data_key_id, purpose, wrapped, created_at)
           VALUES ($1, gen_random_uuid(), 'data', 'x', now())""",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
                await connection.execute(statement, heron.client_id)


_OPERATORS = {
    "making one": "INSERT INTO operator (name, rights, created_at) VALUES ('eve', ARRAY['guest:read'], now())",
    "making one again": "INSERT INTO operator (name, rights, created_at) VALUES ('tester', '{}', now())"
    " ON CONFLICT (name) DO UPDATE SET rights = ARRAY['guest:read']",
    "giving rights": "UPDATE operator SET rights = rights || 'guest:read'::text",
    "removing one": "DELETE FROM operator",
    "holding one": "SELECT name FROM operator FOR SHARE",
}


@pytest.mark.parametrize("way", _OPERATORS)
async def test_who_operates_the_platform(stack: Machine, otter: Hotel, way: str) -> None:
    """04.3: whatever runs in a client's transaction of `auth`, or in one without a client, makes no operator."""
    refusals = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)
    async with door(stack, "auth") as auth:
        for opened in (
            tenant.transaction(auth.pools.request, caller(otter.client_id), auth.seal_key),
            tenant.platform_transaction(auth.pools.request),
        ):
            with contextlib.suppress(*refusals, errors.Unavailable):
                async with opened as connection:
                    done = await connection.execute(_OPERATORS[way])
                    assert done.endswith(" 0"), done  # raised in here, so that nothing of it is kept
        async with tenant.transaction(auth.pools.request, caller(PLATFORM), auth.seal_key) as connection:
            allowed = await connection.execute("UPDATE operator SET rights = rights")
            assert not allowed.endswith(" 0")  # the control: there is one, and the platform may


async def test_a_returned_connection_remembers_nobody(inside: Door, otter: Hotel) -> None:
    for leave in (
        "SELECT set_config('guard.seal', current_setting('guard.seal'), false)",
        "LISTEN other",
        "SELECT pg_advisory_lock(1)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT client_id FROM guest",
    ):
        async with tenant.transaction(inside.pools.request, caller(otter.client_id), inside.seal_key) as connection:
            await connection.execute(leave)
        for _ in range(3):
            async with tenant.platform_transaction(inside.pools.request) as connection:
                assert await connection.fetchval("SELECT coalesce(current_setting('guard.seal', true), '')") == ""
                assert await connection.fetch("SELECT name FROM pg_cursors WHERE is_holdable") == []
                locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                assert await connection.fetchval(locks) == 0


async def test_a_cancelled_request_leaves_no_answer_behind(inside: Door, otter: Hotel, heron: Hotel) -> None:
    async def read(hotel: Hotel, *, pause: float) -> set[object]:
        async with inside.entry().open(caller(hotel.client_id), Action.GUEST_LIST) as access:
            rows = await access.fetch(
                "SELECT client_id FROM guest, (SELECT pg_sleep($2::float8)) AS paused WHERE client_id = $1", pause
            )
            access.touch_none()
            return {row["client_id"] for row in rows}

    began = time.monotonic()
    for turn in range(60):
        doomed = asyncio.create_task(read(otter, pause=0.02))
        await asyncio.sleep(0.0005 * turn)
        doomed.cancel()
        answers = await asyncio.gather(*(read(heron, pause=0) for _ in range(3)))
        assert all(answer == {heron.client_id} for answer in answers)
        await asyncio.gather(doomed, return_exceptions=True)
    assert time.monotonic() - began < 60
