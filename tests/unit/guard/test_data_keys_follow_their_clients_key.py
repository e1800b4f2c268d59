"""02.1, 02.3: a sweep that meets an outage waits and goes on; one client's broken key does not keep the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from guard import errors, rewrapping
from guard.vault import Refused

OTTER, HERON, MOOSE = uuid4(), uuid4(), uuid4()


class Transit:
    """Every client's key is at its second version. `away`: how often each client is answered with an outage first."""

    def __init__(self, **away: int) -> None:
        self.away = Counter(away)
        self.asked: list[UUID] = []
        self.destroyed: UUID | None = None

    async def key_version(self, service: str, client_id: UUID) -> int:
        self.asked.append(client_id)
        if client_id == self.destroyed:
            raise Refused
        return 2

    async def rewrap(self, service: str, client_id: UUID, wrapped: str) -> str:
        if self.away[str(client_id)]:
            self.away[str(client_id)] -= 1
            raise errors.Unavailable
        return wrapped.replace(":v1:", ":v2:")


class Table:
    """`guard.data_key`, one row a client; a statement fails for as often as `away` says."""

    def __init__(self, *, away: int = 0) -> None:
        self.rows = {(client_id, uuid4()): "vault:v1:text" for client_id in (OTTER, HERON, MOOSE)}
        self.away = away

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Table"]:
        if self.away:
            self.away -= 1
            raise asyncpg.CannotConnectNowError
        yield self

    async def fetch(self, sql: str) -> list[dict[str, Any]]:
        names = ("client_id", "data_key_id", "wrapped")
        return [dict(zip(names, (*key, wrapped), strict=True)) for key, wrapped in self.rows.items()]

    async def execute(self, sql: str, client_id: UUID, data_key_id: UUID, again: str, before: str) -> None:
        if self.rows[client_id, data_key_id] == before:
            self.rows[client_id, data_key_id] = again

    def versions(self) -> list[str]:
        return [wrapped.split(":")[1] for wrapped in self.rows.values()]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    return waits


async def rewrap(table: Table, transit: Transit) -> int:
    return await rewrapping.rewrap(table, transit, "tenant_data")  # type: ignore[arg-type]  # what it asks of both is here


async def test_an_outage_is_waited_for_and_nothing_is_asked_twice(waited: list[float]) -> None:
    table, transit = Table(), Transit(**{str(HERON): 3})
    assert await rewrap(table, transit) == 3
    assert table.versions() == ["v2"] * 3
    assert waited == [rewrapping._AGAIN] * 3
    assert transit.asked == [OTTER, HERON, MOOSE]


async def test_so_is_the_databases(waited: list[float]) -> None:
    table = Table(away=2)
    assert await rewrap(table, Transit()) == 3
    assert table.versions() == ["v2"] * 3
    assert len(waited) == 2


async def test_what_is_away_for_too_long_does_not_keep_the_others(waited: list[float]) -> None:
    table, transit = Table(), Transit(**{str(HERON): 1000})
    assert await rewrap(table, transit) == 2
    assert table.versions() == ["v2", "v1", "v2"]
    assert sum(waited) == 600


async def test_nor_does_a_key_that_is_gone(waited: list[float]) -> None:
    table, transit = Table(), Transit()
    transit.destroyed = OTTER
    assert await rewrap(table, transit) == 2
    assert table.versions() == ["v1", "v2", "v2"]
    assert waited == []
