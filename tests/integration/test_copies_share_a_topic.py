"""04.4: a copy of a service that holds no partition waits in peace, and takes over when the other one goes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from guard import inbox
from guard.inbox import Consumer
from guard.kafka import Kafka
from support.bus import kafka, send
from support.machine import Machine

TOPIC = "access.auth.dlq"  # one partition; audit is its writer and its reader
LOOKS = 0.5  # seconds, instead of five


class Counting:
    """The bus of audit, which counts the consumers that were made of it."""

    def __init__(self, bus: Kafka) -> None:
        self._bus = bus
        self.made: list[AIOKafkaConsumer] = []

    def consumer(self, topics: Sequence[str], purpose: str) -> AIOKafkaConsumer:
        self.made.append(self._bus.consumer(topics, purpose))
        return self.made[-1]


@asynccontextmanager
async def copy_of(bus: Counting, seen: list[bytes], purpose: str) -> AsyncIterator[Consumer]:
    async def handle(records: Sequence[ConsumerRecord]) -> None:
        seen.extend(record.value for record in records)

    consumer = Consumer(bus, [TOPIC], handle, purpose=purpose)  # type: ignore[arg-type]  # all it asks for
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def seen_in(seen: list[bytes], payload: bytes) -> None:
    async with asyncio.timeout(30):
        while payload not in seen:  # noqa: ASYNC110 - what another task appends
            await asyncio.sleep(0.05)


async def shared_between(*buses: Counting) -> None:
    async with asyncio.timeout(30):
        while sorted(len(bus.made[-1].assignment()) if bus.made else -1 for bus in buses) != [0, 1]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def test_a_copy_without_a_partition_is_not_replaced(stack: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_STUCK_AFTER", LOOKS)
    purpose = "copies"
    first, second = Counting(kafka(stack, "audit")), Counting(kafka(stack, "audit"))
    seen: list[bytes] = []
    async with copy_of(first, seen, purpose):
        await send(stack, "audit", TOPIC, b"before")
        await seen_in(seen, b"before")
        async with copy_of(second, seen, purpose):
            await shared_between(first, second)
            made = len(first.made) + len(second.made)
            await asyncio.sleep(8 * LOOKS)
            assert len(first.made) + len(second.made) == made, (
                "a copy that has nothing to do halts the group again and again"
            )
            await send(stack, "audit", TOPIC, b"beside")
            await seen_in(seen, b"beside")


async def test_what_the_holder_leaves_is_taken_over(stack: Machine) -> None:
    purpose = "successors"
    seen: list[bytes] = []
    async with copy_of(Counting(kafka(stack, "audit")), seen, purpose):
        async with copy_of(Counting(kafka(stack, "audit")), seen, purpose):
            await send(stack, "audit", TOPIC, b"together")
            await seen_in(seen, b"together")
        await send(stack, "audit", TOPIC, b"alone")
        await seen_in(seen, b"alone")
