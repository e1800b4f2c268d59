"""04.4, 04.1: some calls of aiokafka never return, not even when cancelled; none holds up a service for good."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from auth import revocation
from auth.revocation import Herald
from guard import inbox, kafka, outbox
from guard.clock import Clock
from guard.inbox import Consumer
from guard.outbox import Relay

SOON = 0.05


class Deaf:
    """A producer in which the named calls never end, and do not let themselves be cancelled."""

    def __init__(self, released: asyncio.Event, *deaf: str) -> None:
        self._released = released
        self.deaf = deaf
        self.sent: list[str] = []

    async def _call(self, name: str) -> None:
        while name in self.deaf and not self._released.is_set():
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                continue

    async def start(self) -> None:
        await self._call("start")

    async def stop(self) -> None:
        await self._call("stop")

    async def send_and_wait(self, topic: str, *_: Any, **__: Any) -> Any:
        await self._call("send")
        self.sent.append(topic)
        return SimpleNamespace(offset=len(self.sent))


class Bus:
    """Its first producer is deaf, those that follow are not."""

    def __init__(self, released: asyncio.Event, *deaf: str) -> None:
        self.made: list[Deaf] = []
        self._make: Callable[[], Deaf] = lambda: Deaf(released, *(() if self.made else deaf))

    def producer(self) -> Any:
        made = self._make()
        self.made.append(made)
        return made

    @property
    def sent(self) -> list[str]:
        return [topic for producer in self.made for topic in producer.sent]


@pytest.fixture
async def released() -> AsyncIterator[asyncio.Event]:
    event = asyncio.Event()
    yield event
    event.set()
    await asyncio.sleep(SOON)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    # The limits under test, each as given and cut to one that a test can wait for.
    within = inbox.within

    async def soon(seconds: float, work: Awaitable[Any]) -> Any:
        return await within(min(seconds, SOON), work)

    for module in (inbox, kafka, outbox, revocation):
        monkeypatch.setattr(module, "within", soon)


async def _refuse(_: Any) -> None:
    raise ValueError("never to be understood")


@pytest.mark.parametrize("deaf", [("start", "stop"), ("send", "stop")], ids=["starting", "sending"])
async def test_a_dead_letter_goes_by_another_producer(released: asyncio.Event, deaf: tuple[str, ...]) -> None:
    bus = Bus(released, *deaf)
    record = ConsumerRecord("access.auth", 0, 1, 0, 0, b"key", b"value", None, 3, 5, ())
    handling = Consumer(bus, ["access.auth"], _refuse, purpose="test")._handle([record])  # type: ignore[arg-type]  # a stand-in
    await asyncio.wait_for(handling, 5)
    assert bus.sent == ["access.auth.dlq"]
    assert len(bus.made) == 2


async def test_a_relay_whose_producer_neither_starts_nor_stops(released: asyncio.Event) -> None:
    relay = Relay("tenant_data", Bus(released, "start", "stop").producer)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(relay._started(), 2)
    assert await asyncio.wait_for(relay._started(), 2) is not None


@pytest.mark.parametrize("deaf", [("start", "stop"), ("send", "stop")], ids=["starting", "sending"])
async def test_the_heartbeat_goes_on(
    released: asyncio.Event, monkeypatch: pytest.MonkeyPatch, deaf: tuple[str, ...]
) -> None:
    async def standing(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(revocation.store, "standing", standing)
    bus = Bus(released, *deaf)
    beating = asyncio.create_task(Herald(bus, Jobs(), Clock()).run())  # type: ignore[arg-type]  # stand-ins
    try:
        async with asyncio.timeout(5):
            while not bus.sent:  # noqa: ASYNC110 - the bus is a list
                await asyncio.sleep(SOON)
    finally:
        released.set()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    assert set(bus.sent) == {"auth.revocations"}


class Jobs:
    """A pool with nothing in it."""

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        yield None
