"""The one way to a connection for tenant data: a transaction with the client sealed inside it (03.1, 03.2).

Nothing here may set the client for a session; what a transaction sets, its end unsets.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from guard import errors
from guard.database import RESET, Connection, Pool, translate
from guard.identity import Caller
from guard.seal import SealKey

_log = logging.getLogger("guard.tenant")
# What the last borrower left behind goes first, in a transaction of its own and the same round trip.
_BEGIN = f"BEGIN; {RESET}; COMMIT; BEGIN"
# A statement that SQL prepared may stand under the name of one of the driver's own, and would run in its place: in this
# transaction instead of the event, or in the next borrower's. Divides by zero if there is one.
_OWN_STATEMENTS = "SELECT 1 / (NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql))::int"
_COMMIT = f"{_OWN_STATEMENTS}; COMMIT"
_ROLLBACK = f"ROLLBACK; {_OWN_STATEMENTS}"
_TAMPERED = (asyncpg.DivisionByZeroError, asyncpg.InvalidSQLStatementNameError)


@asynccontextmanager
async def transaction(pool: Pool, caller: Caller, seal_key: SealKey) -> AsyncIterator[Connection]:
    """A connection inside a transaction that sees the rows of `caller.client_id` and no others.

    Commits when the block ends, rolls back when it raises. Raises Unavailable when the database is away.
    """
    async with translate(), _sealed(), pool.acquire() as connection:
        seal = seal_key.seal(caller.client_id, connection.get_server_pid())
        # One simple query, one round trip. The seal is hex, dots and dashes: nothing in it can be quoted out of.
        async with _commit_or_roll_back(connection, f"{_BEGIN}; SELECT set_config('guard.seal', '{seal}', true)"):
            yield connection


@asynccontextmanager
async def _sealed() -> AsyncIterator[None]:
    try:
        yield
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        # This process stood still between sealing and beginning, its clock is off, or somebody tampers.
        _log.error("tenant seal refused")
        raise errors.Unavailable from refused


@asynccontextmanager
async def platform_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction without a client: every tenant table refuses it; tables of the platform (throttles) answer."""
    async with translate(), pool.acquire() as connection, _commit_or_roll_back(connection, _BEGIN):
        yield connection


@asynccontextmanager
async def _commit_or_roll_back(connection: Connection, begin: str) -> AsyncIterator[None]:
    try:
        await connection.execute(begin)
        yield
        # Refused as well after a statement that failed: a COMMIT alone would answer ROLLBACK, and no error.
        if await connection.execute(_COMMIT) != "COMMIT":
            raise RuntimeError("the transaction was rolled back at its commit")
    except BaseException as error:
        await _abandon(connection, error)
        raise


async def _abandon(connection: Connection, error: BaseException) -> None:
    # A cancelled request leaves its reply in the socket, and the next borrower must not read it: such a connection
    # is closed, not reused, and so is one whose statements were tampered with. All others roll back and go home.
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, *_TAMPERED)) or connection.is_closed():
        connection.terminate()
        return
    try:
        await connection.execute(_ROLLBACK, timeout=5)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as failed:
        _log.warning("rollback failed, connection closed", extra={"error": type(failed).__name__})
        connection.terminate()
