"""Connection pools of a service: short-lived users from OpenBao, TLS 1.3, a reset that leaves no identity (02.2, 04.3).

Nothing outside `guard` borrows a connection for tenant data: that is `guard.tenant`'s work.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from guard import errors
from guard.settings import Settings

_log = logging.getLogger("guard.database")
_ACQUIRE = 3.0  # seconds to wait for a connection before it is a 503
_COMMAND = 20.0  # seconds for one statement; longer than the server's statement_timeout

# In quotes: asyncpg's classes are generic in its stubs only.
Borrowed: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# What a request cannot help and a retry can: the server away, starting, stopping, out of room, or our user replaced.
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # stopping, starting, and a statement that took too long
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # a deadlock, of which this was the victim
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a replica that is not yet the primary
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidSQLStatementNameError,  # somebody's injection dropped it; the connection is closed, the next has it
    asyncpg.InternalClientError,
    ConnectionError,
    ssl.SSLError,
    TimeoutError,
)
_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
# asyncpg's own reset leaves the role, the session authorization and temporary tables to the next borrower.
RESET = (
    "CLOSE ALL; UNLISTEN *; RESET ALL; SELECT pg_advisory_unlock_all(); RESET ROLE; RESET SESSION AUTHORIZATION;"
    " DISCARD TEMP"
)
_CLOSED = ("closed", "closing")  # asyncpg has no class of its own for a connection that has ended


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A database user that OpenBao made for us; it ends by itself."""

    user: str
    password: str
    made_at: float  # monotonic seconds
    ends_at: float


class UserSource(Protocol):
    """What a pool needs of `guard.vault.Vault`: the current user of a role, and to hear of its replacement."""

    async def database_user(self, role: str) -> Credentials: ...

    def forget_user(self, role: str, user: Credentials) -> None: ...

    def on_rotation(self, pool: "Pool") -> None: ...


class Pool:
    """A pool of one database role. A borrowed connection finishes its work even when its user has been replaced."""

    def __init__(self, inner: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._inner = inner
        self._returning: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection for the block. Raises Unavailable when there is none within 3 s."""
        try:
            connection = await self._inner.acquire(timeout=_ACQUIRE)
        except (*_AWAY, asyncpg.InterfaceError) as away:
            raise _unavailable(away) from away
        try:
            yield connection
        finally:
            # In a task of its own: the answer does not wait for the reset, a cancelled request leaves nothing behind.
            returning = asyncio.create_task(self._release(connection))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)

    async def _release(self, connection: Borrowed) -> None:
        try:
            await self._inner.release(connection, timeout=5)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as failed:
            _log.warning("connection not returned", extra={"error": type(failed).__name__})

    async def expire(self) -> None:
        """Replaces every connection when it is next returned: their user is about to end."""
        await self._inner.expire_connections()

    async def close(self) -> None:
        """Waits a moment for borrowed connections, then ends them."""
        try:
            await asyncio.gather(*self._returning)
            await asyncio.wait_for(self._inner.close(), 5)
        except TimeoutError:
            self._inner.terminate()


@dataclass(frozen=True, slots=True)
class Pools:
    """The two roles of a service: `request` serves routes, `job` (relay, retention) is never reachable from one."""

    request: Pool
    job: Pool


@asynccontextmanager
async def pools(settings: Settings, users: UserSource, tls: ssl.SSLContext) -> AsyncIterator[Pools]:
    """Both pools of `settings.service`, closed at the end of the block."""
    request = await _pool(settings, users, tls, "request", most=12, reset=_leave)
    job = await _pool(settings, users, tls, "job", most=5, reset=_reset)
    try:
        yield Pools(request, job)
    finally:
        await request.close()
        await job.close()


async def _pool(
    settings: Settings, users: UserSource, tls: ssl.SSLContext, role: str, *,
    most: int, reset: Callable[[Any], Awaitable[None]],
) -> Pool:  # fmt: skip
    async def connect(*arguments: Any, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            return await _connected(users, f"{settings.service}-{role}", *arguments, **options)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as away:
            raise _unavailable(away) from away

    inner = asyncpg.create_pool(
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name,
        ssl=tls,
        min_size=0,  # a database that is away must not keep a service from starting and saying so
        max_size=most,
        max_inactive_connection_lifetime=300,
        command_timeout=_COMMAND,
        timeout=3,
        connect=cast("Any", connect),  # the stubs spell out forty options that pass through unread
        reset=reset,
        server_settings={"application_name": settings.service},
    )
    pool = Pool(await inner)
    users.on_rotation(pool)
    return pool


async def _connected(
    users: UserSource, role: str, *arguments: Any, **options: Any
) -> "asyncpg.Connection[asyncpg.Record]":
    user = await users.database_user(role)
    try:
        return await asyncpg.connect(*arguments, **{**options, "user": user.user, "password": user.password})
    except _REFUSED:
        # It ended early (its token was revoked, the database restored): once more, with another.
        users.forget_user(role, user)
        user = await users.database_user(role)
        return await asyncpg.connect(*arguments, **{**options, "user": user.user, "password": user.password})


async def _reset(connection: Any) -> None:
    await connection.execute(RESET)


async def _leave(_connection: Any) -> None:
    # `guard.tenant` resets where it begins: one round trip less for each request.
    return


@asynccontextmanager
async def translate() -> AsyncIterator[None]:
    """Turns an absent, stopping or full database into Unavailable; every other error passes unchanged."""
    try:
        yield
    except _AWAY as away:
        raise _unavailable(away) from away
    except asyncpg.InterfaceError as error:
        # Any other of its texts is a defect of ours (a wrong number of arguments): that is no outage.
        if any(word in str(error) for word in _CLOSED):
            raise _unavailable(error) from error
        raise


def _unavailable(away: BaseException) -> errors.Unavailable:
    _log.warning("database away", extra={"error": type(away).__name__})
    return errors.Unavailable()
