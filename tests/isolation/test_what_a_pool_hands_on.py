"""03.2: whoever borrows a connection next finds nothing of who had it before: no seal, no role, no table, no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from events.uuid7 import uuid7
from guard import tenant
from guard.access import Door
from guard.database import Connection
from support.machine import Machine
from support.workload import caller, door


@pytest.fixture(scope="module")
async def inside(stack: Machine) -> AsyncIterator[Door]:
    async with door(stack, "tenant_data") as opened:
        yield opened


class _Kept:
    """A pool of one connection that is never reset: what a transaction leaves behind is all there to be seen."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield self._connection


@pytest.mark.parametrize("does_commit", [True, False])
async def test_a_seal_ends_with_its_transaction(inside: Door, does_commit: bool) -> None:
    """Also without the pool's reset, which is a second lock and not the first."""
    async with inside.pools.request.acquire() as connection:
        kept: Any = _Kept(connection)
        try:
            async with tenant.transaction(kept, caller(uuid7()), inside.seal_key) as sealed:
                assert await sealed.fetchval("SELECT length(current_setting('guard.seal'))") == 114  # the control
                if not does_commit:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert not does_commit
        assert await connection.fetchval("SELECT coalesce(current_setting('guard.seal', true), '')") == ""
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await connection.fetch("SELECT client_id FROM guest")


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
