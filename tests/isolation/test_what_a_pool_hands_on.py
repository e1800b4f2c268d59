"""03.2: a database connection that goes from one client's request to another's carries nothing over.

Whatever a statement of one leaves behind, the next borrower of the same connection finds nothing of it.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from events.access import Action
from guard import database, errors, tenant
from guard.access import Door
from pentest.evidence import Probes
from stack.settings import SERVICES
from support.hotel import Hotel
from support.machine import Machine
from support.workload import caller, door

# What an injected statement may leave behind, and what must be true of the connection afterwards.
RESIDUES = {
    "its own seal, for the session": "SELECT set_config('guard.seal', current_setting('guard.seal'), false)",
    "a role": "SET ROLE {role}",
    "a session's role": "SET SESSION AUTHORIZATION DEFAULT; SET ROLE {role}",
    "a search path": "SET search_path = guard, public",
    "no row security": "SET row_security = off",
    "an advisory lock": "SELECT pg_advisory_lock(4711)",
    "a channel": "LISTEN somebody",
    "a cursor that outlives its transaction": "DECLARE held CURSOR WITH HOLD FOR SELECT 'secret'",
    "a setting of its own": "SELECT set_config('app.note', 'secret', false)",
    "an isolation level": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "a replica's ways": "SET session_replication_role = replica",
    "a temporary table": "CREATE TEMP TABLE note AS SELECT 'secret'",
}
_CLEAN = """
    SELECT coalesce(current_setting('guard.seal', true), '') = '' AS seal,
           current_user = session_user AND current_setting('role') = 'none' AS role,
           current_setting('search_path') = '"$user", public' AND current_setting('row_security') = 'on' AS path,
           coalesce(current_setting('app.note', true), '') = '' AS note,
           current_setting('default_transaction_read_only') = 'off' AS read_only,
           NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS lock,
           NOT EXISTS (SELECT FROM pg_listening_channels()) AS channel,
           NOT EXISTS (SELECT FROM pg_cursors WHERE is_holdable) AS cursor,
           NOT EXISTS (SELECT FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)) AS temporary
"""


@pytest.fixture(scope="module", params=SERVICES)
async def service(stack: Machine, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    async with door(stack, request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
async def inside(stack: Machine) -> AsyncIterator[Door]:
    async with door(stack, "tenant_data") as opened:
        yield opened


async def _leave(service: Door, hotel: Hotel, statement: str) -> int:
    """Runs it as an injection into a request of this hotel would; which backend it was left on."""
    async with tenant.transaction(service.pools.request, caller(hotel.client_id), service.seal_key) as connection:
        pid: int = connection.get_server_pid()
        await connection.execute("SAVEPOINT before")
        try:
            await connection.execute(statement.format(role=f"{service.service}_request"))
        except asyncpg.PostgresError:
            await connection.execute("ROLLBACK TO before")  # refused: nothing to leave
    return pid


async def _found(service: Door) -> tuple[int, dict[str, bool]]:
    async with tenant.platform_transaction(service.pools.request) as connection:
        return connection.get_server_pid(), dict(await connection.fetchrow(_CLEAN) or {})


@pytest.mark.parametrize("residue", RESIDUES)
async def test_what_is_left_behind(service: Door, otter: Hotel, probes: Probes, residue: str) -> None:
    pid, seen = 0, set()
    for _ in range(3):
        pid = await _leave(service, otter, RESIDUES[residue])
        for _ in range(4):
            found, clean = await _found(service)
            seen.add(found)
            probes.denied(f"left behind: {residue}", all(clean.values()), clean)
    probes.allowed("the same connection was looked at", pid in seen, seen)


@asynccontextmanager
async def _held(connection: database.Connection) -> AsyncIterator[database.Connection]:
    yield connection


class _Single:
    """A pool of the one connection that it was given."""

    def __init__(self, connection: database.Connection) -> None:
        self._connection = connection

    def acquire(self) -> object:
        return _held(self._connection)


async def test_a_seal_ends_with_its_transaction(service: Door, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Committed or rolled back, and before any reset, which is a second lock and not the first."""
    async with service.pools.request.acquire() as connection:
        single = _Single(connection)
        for turn in range(12):
            hotel = (otter, heron)[turn % 2]
            try:
                async with tenant.transaction(single, caller(hotel.client_id), service.seal_key) as open_:
                    own = await open_.fetchval("SELECT guard.client_id()")
                    probes.allowed("its own client inside", own == hotel.client_id, own)
                    await open_.execute("SAVEPOINT s; SELECT set_config('guard.seal', '', true); ROLLBACK TO s")
                    probes.allowed("and after a savepoint", await open_.fetchval("SELECT guard.client_id()") == own)
                    if turn % 3 == 2:
                        raise errors.Conflict("rolled back")
            except errors.Conflict:
                pass
            left = await connection.fetchval("SELECT coalesce(current_setting('guard.seal', true), '')")
            probes.denied("a seal that outlives its transaction", left == "", left)
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await connection.fetchval("SELECT guard.client_id()")


@pytest.mark.parametrize("end", ["committed", "rolled back"])
async def test_a_statement_under_a_name_of_the_drivers(service: Door, otter: Hotel, probes: Probes, end: str) -> None:
    """It would run in place of this transaction's event, or of the next borrower's statement under that one's seal."""
    pid, ours = 0, "SELECT $1::int AS ours"

    async def tamper() -> None:
        nonlocal pid
        async with tenant.transaction(service.pools.request, caller(otter.client_id), service.seal_key) as connection:
            pid = connection.get_server_pid()
            await connection.fetchval(ours, 1)
            name = await connection.fetchval("SELECT name FROM pg_prepared_statements WHERE statement = $1", ours)
            await connection.execute(f'DEALLOCATE "{name}"; PREPARE "{name}" (int) AS SELECT 4711 + $1')
            swapped = await connection.fetchval(ours, 1)
            probes.allowed("the swapped statement runs", swapped == 4712, swapped)
            if end == "rolled back":
                raise errors.Conflict(end)

    with pytest.raises((asyncpg.DivisionByZeroError, errors.Conflict)) as refused:
        await tamper()
    probes.denied(
        "commits with a swapped statement", not isinstance(refused.value, errors.Conflict) or end != "committed"
    )
    for _ in range(20):
        found, _ = await _found(service)
        probes.denied("its connection is handed on", found != pid, found)


async def test_statements_that_were_dropped(service: Door, otter: Hotel) -> None:
    """At most one answer is lost to it, and a retry is told to help."""
    async with tenant.transaction(service.pools.request, caller(otter.client_id), service.seal_key) as connection:
        await connection.fetchval("SELECT $1::int", 1)
        await connection.execute("DEALLOCATE ALL")
    lost = 0
    for _ in range(20):
        try:
            async with tenant.platform_transaction(service.pools.request) as connection:
                await connection.fetchval("SELECT $1::int", 1)
        except errors.Unavailable:
            lost += 1
    assert lost <= 1


async def test_one_statement_prepared_once(inside: Door, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """CVE-2024-10976's family: a plan that was made for one client and runs for the next."""
    for hotel in (otter, heron):
        hotel.guest()
    async with inside.pools.request.acquire() as connection:
        single = _Single(connection)
        for turn in range(24):
            hotel = (otter, heron)[turn % 2]
            async with tenant.transaction(single, caller(hotel.client_id), inside.seal_key) as open_:
                rows = await open_.fetch("SELECT client_id FROM guest WHERE $1::text IS NOT NULL", "x")
            seen = {row["client_id"] for row in rows}
            probes.denied("another client's plan", seen <= {hotel.client_id}, seen, table="tenant_data: guest")
            probes.allowed("its own rows", seen == {hotel.client_id}, seen)


async def test_many_borrowers(inside: Door, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Two clients' requests in turn on few connections, each third cancelled, each fourth leaving something behind."""
    chosen = random.Random(20261126)
    statements = [text for name, text in RESIDUES.items() if "table" not in name]

    async def borrow(number: int) -> None:
        hotel = (otter, heron)[number % 2]
        async with inside.entry().open(caller(hotel.client_id), Action.GUEST_LIST) as access:
            if number % 4 == 0:
                await _quietly(access.connection, chosen.choice(statements).format(role="tenant_data_request"))
            rows = await access.fetch("SELECT client_id, pg_sleep(0.0005) FROM guest WHERE client_id = $1 LIMIT 3")
            mine = {row["client_id"] for row in rows}
            probes.denied("another borrower's rows", mine <= {hotel.client_id}, mine, table="tenant_data: guest")
            probes.allowed("one's own rows", mine == {hotel.client_id}, mine)
            access.touch_none()

    for _ in range(25):
        tasks = [asyncio.create_task(borrow(number)) for number in range(20)]
        await asyncio.sleep(chosen.random() * 0.01)
        for task in tasks[::3]:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(
                outcome, asyncio.CancelledError | errors.Unavailable
            ):
                raise outcome
    for _ in range(30):
        _, clean = await _found(inside)
        probes.denied("left behind by many", all(clean.values()), clean)


async def _quietly(connection: database.Connection, statement: str) -> None:
    await connection.execute("SAVEPOINT before")
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError:
        await connection.execute("ROLLBACK TO before")
    if "row_security" in statement:
        await connection.execute("SET row_security = on")  # its own next statement would fail, and prove nothing


async def test_a_connection_is_its_own_role_again(inside: Door) -> None:
    async with tenant.platform_transaction(inside.pools.request) as connection:
        own = await connection.fetchval("SELECT current_user")
        pid = connection.get_server_pid()
        await connection.execute("SET ROLE tenant_data_request")
        assert await connection.fetchval("SELECT current_user") != own  # the control
    for _ in range(20):
        async with tenant.platform_transaction(inside.pools.request) as connection:
            assert await connection.fetchval("SELECT current_user = session_user")
            if connection.get_server_pid() == pid:
                return
    raise AssertionError("the same connection was not given out again")


async def test_a_cancelled_requests_connection_is_never_seen_again(inside: Door) -> None:
    """It may hold the answer to a question that its next borrower did not ask."""
    asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def doomed() -> None:
        async with tenant.transaction(inside.pools.request, caller(uuid4()), inside.seal_key) as connection:
            asked.set_result(connection.get_server_pid())
            await connection.execute("SELECT pg_sleep(5)")

    task = asyncio.create_task(doomed())
    pid = await asyncio.wait_for(asked, 10)
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    seen = set()
    for _ in range(20):
        async with tenant.platform_transaction(inside.pools.request) as connection:
            seen.add(connection.get_server_pid())
    assert seen
    assert pid not in seen
