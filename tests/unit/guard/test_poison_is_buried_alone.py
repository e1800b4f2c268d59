"""04.4: one message that cannot be handled is buried by itself, with its origin; what will pass is waited for."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import ConsumerRecord

from guard import errors, inbox
from guard.inbox import Consumer

MARKER = "marker-51c7"
BATCH = 500


def record(offset: int, topic: str = "access.auth") -> ConsumerRecord:
    headers = (("event_id", str(offset).encode()),)
    return ConsumerRecord(topic, 2, offset, 0, 0, b"key", f"value {offset}".encode(), None, 3, 8, headers)


class Kafka:
    """A bus in memory: what was buried, and how often it refuses to take it."""

    def __init__(self) -> None:
        self.buried: list[tuple[str, bytes, list[tuple[str, bytes]]]] = []
        self.refusals = 0

    def producer(self) -> "Kafka":
        return self

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def send_and_wait(self, topic: str, value: bytes, *, key: bytes, headers: list[tuple[str, bytes]]) -> None:
        assert key == b"key"
        if self.refusals:
            self.refusals -= 1
            raise KafkaConnectionError
        self.buried.append((topic, value, headers))


class Store:
    """A handler that stores a batch or nothing of it, as one database transaction does."""

    def __init__(self, *poison: int) -> None:
        self.poison = poison
        self.stored: list[int] = []
        self.asked = 0
        self.passing: list[Exception] = []

    async def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        self.asked += 1
        if self.passing:
            raise self.passing.pop()
        for one in records:
            if one.offset in self.poison:
                raise ValueError(f"{MARKER} in {one.value!r}")
        self.stored += [one.offset for one in records]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(inbox, "asyncio", SimpleNamespace(sleep=sleep, CancelledError=asyncio.CancelledError))
    return waits


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def handled(kafka: Kafka, slept: list[float]) -> Callable[..., Any]:
    async def handle(store: Store, records: Sequence[ConsumerRecord]) -> None:
        await Consumer(kafka, ["access.auth"], store, purpose="test")._handle(records)  # type: ignore[arg-type]  # a stand-in

    return handle


class TestPoison:
    @pytest.mark.parametrize("bad", [0, 1, 249, 250, 498, 499])
    async def test_one_of_500_is_buried_and_all_others_are_stored(
        self, handled: Callable[..., Any], kafka: Kafka, bad: int
    ) -> None:
        store = Store(bad)
        await handled(store, [record(offset) for offset in range(BATCH)])
        assert store.stored == [offset for offset in range(BATCH) if offset != bad]
        assert [value for _, value, _ in kafka.buried] == [f"value {bad}".encode()]

    async def test_it_costs_a_handful_of_tries(self, handled: Callable[..., Any]) -> None:
        store = Store(123)
        await handled(store, [record(offset) for offset in range(BATCH)])
        assert store.asked <= 2 * 9 + 1 + inbox._TRIES

    async def test_several_are_each_buried(self, handled: Callable[..., Any], kafka: Kafka) -> None:
        store = Store(3, 4, 400)
        await handled(store, [record(offset) for offset in range(BATCH)])
        assert len(store.stored) == len(set(store.stored)) == BATCH - 3
        assert [value for _, value, _ in kafka.buried] == [b"value 3", b"value 4", b"value 400"]

    async def test_nothing_but_poison(self, handled: Callable[..., Any], kafka: Kafka) -> None:
        store = Store(*range(7))
        await handled(store, [record(offset) for offset in range(7)])
        assert (store.stored, len(kafka.buried)) == ([], 7)

    async def test_the_letter_says_where_it_was_and_not_what_was_wrong(
        self, handled: Callable[..., Any], kafka: Kafka
    ) -> None:
        await handled(Store(9), [record(9)])
        ((topic, _, headers),) = kafka.buried
        assert topic == "access.auth.dlq"
        assert headers == [("origin", b"access.auth/2/9"), ("cause", b"ValueError"), ("event_id", b"9")]
        assert MARKER.encode() not in b"".join(value for _, value in headers)


class TestGrave:
    async def test_that_is_away_for_a_moment(self, handled: Callable[..., Any], kafka: Kafka) -> None:
        kafka.refusals = 2
        await handled(Store(0), [record(0)])
        assert len(kafka.buried) == 1

    async def test_that_is_away_does_not_hold_its_partition(self, handled: Callable[..., Any], kafka: Kafka) -> None:
        kafka.refusals = 1000
        store = Store(0)
        await handled(store, [record(0), record(1)])
        assert (store.stored, kafka.buried) == ([1], [])

    async def test_without_a_dead_letter_topic_it_is_waited_for(
        self, handled: Callable[..., Any], kafka: Kafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Store(0)
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if waits.count(inbox._STANDSTILL) == 2:
                store.poison = ()  # a release that understands the message has been rolled out

        monkeypatch.setattr(inbox, "asyncio", SimpleNamespace(sleep=sleep, CancelledError=asyncio.CancelledError))
        await handled(store, [record(0, "auth.clients"), record(1, "auth.clients")])
        assert (store.stored, kafka.buried) == ([0, 1], [])


class TestPassing:
    @pytest.mark.parametrize(
        "fault",
        [
            errors.Unavailable(), OSError(), TimeoutError(), KafkaConnectionError(),
            asyncpg.PostgresConnectionError(), asyncpg.InterfaceError("away"), asyncpg.AdminShutdownError(),
            asyncpg.TooManyConnectionsError(), asyncpg.DeadlockDetectedError(), asyncpg.DiskFullError(),
            asyncpg.InvalidPasswordError(), asyncpg.InsufficientPrivilegeError(),
        ],
        ids=lambda fault: type(fault).__name__,
    )  # fmt: skip
    async def test_is_waited_for_and_buries_nobody(
        self, handled: Callable[..., Any], kafka: Kafka, slept: list[float], fault: Exception
    ) -> None:
        store = Store()
        store.passing = [fault] * 20
        await handled(store, [record(offset) for offset in range(BATCH)])
        assert (store.stored, kafka.buried) == ([*range(BATCH)], [])
        assert len(slept) == 20
        assert max(slept) <= 2

    async def test_in_the_midst_of_halving(self, handled: Callable[..., Any], kafka: Kafka) -> None:
        store = Store(250)
        store.passing = [errors.Unavailable(), ValueError(), errors.Unavailable()]
        await handled(store, [record(offset) for offset in range(BATCH)])
        assert sorted(store.stored) == [offset for offset in range(BATCH) if offset != 250]
        assert len(kafka.buried) == 1


class TestAcknowledged:
    async def test_after_it_was_handled_and_not_before(self) -> None:
        said: list[str] = []
        ended = asyncio.Event()

        class Topic:
            def consumer(self, topics: Sequence[str], purpose: str) -> "Topic":
                return self

            async def start(self) -> None:
                said.append("start")

            async def stop(self) -> None:
                said.append("stop")

            async def getmany(self, **_: Any) -> dict[str, list[ConsumerRecord]]:
                if "handled" in said:
                    ended.set()
                    await asyncio.sleep(60)
                return {"partition": [record(1)]}

            async def commit(self) -> None:
                said.append("commit")

        async def handler(records: Sequence[ConsumerRecord]) -> None:
            said.append("handled")

        running = asyncio.create_task(Consumer(Topic(), ["access.auth"], handler, purpose="test").run())  # type: ignore[arg-type]  # a stand-in
        await asyncio.wait_for(ended.wait(), 5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert said == ["start", "handled", "commit", "stop"]
