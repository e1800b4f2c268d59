"""04.3, invariant 14: a database that is away is a 503; a fault of ours is not; a refused user is replaced at once."""

import asyncio
import ssl
from typing import Any

import asyncpg
import pytest

from guard import database, errors
from guard.database import Credentials, Pool
from guard.settings import Settings


@pytest.mark.parametrize(
    "away",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.CrashShutdownError("crash"),
        asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
        asyncpg.TooManyConnectionsError("too many"),
        asyncpg.DiskFullError("full"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.IdleInTransactionSessionTimeoutError("idle"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        ConnectionResetError(),
        ssl.SSLError("bad certificate"),
        TimeoutError(),
    ],
)
async def test_away_is_a_503(away: Exception) -> None:
    with pytest.raises(errors.Unavailable) as unavailable:
        async with database.translate():
            raise away
    assert unavailable.value.__cause__ is away
    assert "Retry-After" in unavailable.value.headers


@pytest.mark.parametrize(
    "defect",
    [
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        asyncpg.UndefinedColumnError("no such column"),
        asyncpg.InsufficientPrivilegeError("permission denied"),
        asyncpg.InvalidAuthorizationSpecificationError("tenant seal refused"),
        asyncpg.UniqueViolationError("duplicate"),
        errors.NotFound(),
        FileNotFoundError("not a database's"),
    ],
)
async def test_a_defect_is_not_an_outage(defect: Exception) -> None:
    with pytest.raises(type(defect)) as raised:
        async with database.translate():
            raise defect
    assert raised.value is defect


class Inner:
    """What asyncpg's pool does here, with a fault."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.released = 0

    async def acquire(self, **_: float) -> object:
        if self.fault is not None:
            raise self.fault
        return self

    async def release(self, *_: object, **__: float) -> None:
        await asyncio.sleep(0.02)
        self.released += 1


@pytest.mark.parametrize("fault", [TimeoutError(), asyncpg.InterfaceError("pool is closed"), ConnectionRefusedError()])
async def test_no_connection_in_time_is_a_503(fault: Exception) -> None:
    with pytest.raises(errors.Unavailable):
        async with Pool(Inner(fault)).acquire():  # type: ignore[arg-type]  # a stand-in
            raise AssertionError("there was none")


async def test_a_request_that_is_cancelled_twice_still_gives_its_connection_back() -> None:
    inner = Inner()

    async def request() -> None:
        async with Pool(inner).acquire():  # type: ignore[arg-type]  # a stand-in
            await asyncio.sleep(10)

    task = asyncio.create_task(request())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()  # while it gives the connection back
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.03)
    assert inner.released == 1


class Users:
    def __init__(self) -> None:
        self.made = 0
        self.current: Credentials | None = None
        self.pools: list[Pool] = []

    async def database_user(self, role: str) -> Credentials:
        if self.current is None:
            self.made += 1
            self.current = Credentials(f"{role}-{self.made}", "password-marker", 0.0, 1e9)
        return self.current

    def forget_user(self, role: str, user: Credentials) -> None:
        assert user is self.current
        self.current = None

    def on_rotation(self, pool: Pool) -> None:
        self.pools.append(pool)


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each attempt to connect was made with; the first user is refused."""
    seen: list[dict[str, Any]] = []

    async def connect(*_: Any, **given: Any) -> Any:
        seen.append(given)
        if given["user"].endswith("-1"):
            raise asyncpg.InvalidPasswordError("password authentication failed")
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncpg, "connect", connect)
    return seen


async def test_a_refused_user_is_replaced_within_the_attempt(
    settings: Settings, options: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    users = Users()
    async with database.pools(settings, users, ssl.create_default_context()) as pools:
        assert len(users.pools) == 2  # both hear of rotations
        with pytest.raises(errors.Unavailable):
            async with pools.request.acquire():
                raise AssertionError("there was none")
    assert [given["user"] for given in options] == ["tenant_data-request-1", "tenant_data-request-2"]
    assert "password-marker" not in caplog.text + str([record.__dict__ for record in caplog.records])
