"""Invariant 14: what is needed and away means a clear 503 and no data, and an end by itself within ten seconds."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from stack import bao, postgres
from support.hotel import Hotel
from support.machine import Machine, wait_until


def _is_closed(answer: httpx2.Response) -> bool:
    if answer.status_code != 503:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    problem = answer.json()
    assert {"type", "title", "status", "detail", "request_id"} <= set(problem)
    assert "access-event" not in answer.headers
    return True


@contextmanager
def _away(stack: Machine, *programs: str) -> Iterator[None]:
    for program in programs:
        stack.stop(program)
    try:
        yield
    finally:
        for program in reversed(programs):
            stack.start(program)


def _closes(read: Callable[[], httpx2.Response], secret: str, *, within: float) -> None:
    wait_until(lambda: _is_closed(read()), within=within, what="503")
    for _ in range(5):
        answer = read()
        assert _is_closed(answer), answer.text
        assert secret not in answer.text


def _opens(read: Callable[[], httpx2.Response], *, within: float = 10) -> None:
    wait_until(lambda: read().status_code == 200, within=within, what="service")


@pytest.fixture
def guest(otter: Hotel) -> dict[str, str]:
    return otter.guest(name="Marjatta Kesäkumpu")


def _reader(otter: Hotel, guest: dict[str, str]) -> Callable[[], httpx2.Response]:
    return lambda: otter.agent.get(f"/v1/guests/{guest['id']}")


def test_openbao_stopped(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    read = _reader(otter, guest)
    assert read().status_code == 200
    with _away(stack, "openbao"):
        _closes(read, guest["name"], within=stack.stack.key_cache_seconds + 4)
    _opens(read, within=20)  # its own start and unsealing are within this time


def test_openbao_sealed(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    async def seal() -> None:
        async with bao.session(stack.stack) as session:
            await session.write("sys/seal")

    read = _reader(otter, guest)
    asyncio.run(seal())
    _closes(read, guest["name"], within=stack.stack.key_cache_seconds + 4)
    with _away(stack, "openbao"):
        pass
    _opens(read, within=20)


def test_postgresql_stopped(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    read = _reader(otter, guest)
    with _away(stack, "postgres"):
        _closes(read, guest["name"], within=10)
    wait_until(lambda: _session(stack), within=20, what="PostgreSQL")
    _opens(read)


def _session(stack: Machine) -> bool:
    async def ask() -> bool:
        try:
            connection = await postgres.superuser(stack.stack)
        except (OSError, postgres.asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    return asyncio.run(ask())


def test_outbox_refused(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    async def run(statement: str) -> None:
        connection = await postgres.superuser(stack.stack, "tenant_data")
        await connection.execute(statement)
        await connection.close()

    read = _reader(otter, guest)
    asyncio.run(run("REVOKE INSERT ON guard.outbox FROM tenant_data_request"))
    try:
        _closes(read, guest["name"], within=3)
        created = otter.agent.post("/v1/guests", json={"name": "Nobody"})
        assert _is_closed(created)
    finally:
        columns = "client_id, event_id, topic, key, payload, trace"
        asyncio.run(run(f"GRANT INSERT ({columns}) ON guard.outbox TO tenant_data_request"))
    _opens(read)


def test_auth_stopped_and_revocations_silent(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    read = _reader(otter, guest)
    with _away(stack, "auth"):
        _closes(read, guest["name"], within=12)
    _opens(read, within=20)


def test_kafka_stopped(stack: Machine, otter: Hotel, guest: dict[str, str]) -> None:
    read = _reader(otter, guest)
    events = []
    with _away(stack, "kafka"):
        end = time.monotonic() + 12  # beyond the heartbeat's silence, when auth is asked for each token
        while time.monotonic() < end:
            answer = read()
            assert answer.status_code == 200, answer.text
            events.append(answer.headers["access-event"])
            time.sleep(0.3)
    for event in events:
        assert otter.event(event, within=45)["action"] == "guest:read"
