"""04.4: every row of a claim is in a batch, in its order, on the partition that any Kafka client would choose."""

from typing import Any
from uuid import uuid4

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import MemoryRecords

from guard import outbox

ROOM = 4_000  # bytes of one batch: a few rows


class Producer:
    """Takes batches and keeps what was in them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, list[tuple[str, bytes]]]] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(6 if topic.startswith("access.") else 1))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(ROOM, 0)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        batch.close()
        records = MemoryRecords(bytes(batch._build()))
        found = []
        while (part := records.next_batch()) is not None:
            found += [(dict(record.headers)["event_id"].decode(), record.value) for record in part]
        self.sent.append((topic, partition, found))

        async def acknowledged() -> None:
            return

        return acknowledged()


def row(key: str, payload: str, topic: str = "access.auth") -> dict[str, Any]:
    return {"topic": topic, "key": key, "payload": payload, "event_id": uuid4(), "trace": ""}


@pytest.mark.parametrize("count", [1, 3, 200])
async def test_each_row_once_and_in_order(count: int) -> None:
    clients = [str(uuid4()) for _ in range(4)]
    rows: list[Any] = [row(clients[number % 4], f"{number} {'x' * 700}") for number in range(count)]
    producer: Any = Producer()
    await outbox._hand_over(producer, rows)
    found = [event for _, _, events in producer.sent for event in events]
    assert sorted(found) == sorted((str(given["event_id"]), given["payload"].encode()) for given in rows)
    for client in clients:
        own = [str(given["event_id"]) for given in rows if given["key"] == client]
        assert [event for event, _ in found if event in own] == own


async def test_one_that_is_larger_than_a_batch() -> None:
    rows: list[Any] = [row("a", "small"), row("a", "x" * 3 * ROOM), row("a", "small again")]
    producer: Any = Producer()
    await outbox._hand_over(producer, rows)
    assert [len(value) for _, _, events in producer.sent for _, value in events] == [5, 3 * ROOM, 11]


async def test_the_partition_that_any_client_chooses() -> None:
    keys = [str(uuid4()) for _ in range(50)]
    producer: Any = Producer()
    rows: list[Any] = [row(key, key) for key in keys]
    await outbox._hand_over(producer, rows)
    chosen = {value.decode(): partition for _, partition, events in producer.sent for _, value in events}
    assert chosen == {key: DefaultPartitioner()(key.encode(), list(range(6)), list(range(6))) for key in keys}
    assert len(set(chosen.values())) > 1


async def test_a_row_for_a_topic_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits and is seen; what was claimed beside it goes out."""
    ours = row("a", "ours", "access.tenant_data")
    # The last is of its own topic, and nothing that a reader of it understands.
    topics = ("nobody.knows", "access.audit", "access.tenant_data.dlq", "tenant_data.guests")
    strange = [row("a", "theirs", topic) for topic in topics]
    producer: Any = Producer()
    relay = outbox.Relay("tenant_data", lambda: producer)
    monkeypatch.setattr(relay, "_started", lambda: _given(producer))
    monkeypatch.setattr(relay, "_claim", lambda _: _given([*strange, ours]))
    no_pool: Any = None
    await relay._turn(no_pool)
    assert [value for _, _, events in producer.sent for _, value in events] == [b"ours"]


async def _given(value: Any) -> Any:
    return value
