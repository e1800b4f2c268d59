"""Kafka as one service sees it, from a test: its principal, its rights, one record at a time."""

import asyncio
import time
from collections.abc import Callable

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from events.topic import TOPICS
from guard.kafka import Kafka
from support.machine import Machine
from support.workload import certificate, settings


def kafka(stack: Machine, service: str) -> Kafka:
    return Kafka(settings(stack, service).kafka, certificate(stack, service).client(), service)


async def send(stack: Machine, service: str, topic: str, *payloads: bytes, key: str = "key") -> None:
    """Sends as `service`, each acknowledged by the broker."""
    producer = kafka(stack, service).producer()
    await producer.start()
    try:
        for payload in payloads:
            await producer.send_and_wait(topic, payload, key=key.encode())
    finally:
        await producer.stop()


async def await_record(
    stack: Machine, service: str, topic: str, fits: Callable[[ConsumerRecord], bool], *, within: float = 20
) -> ConsumerRecord:
    """The first record of `topic` that fits, read from its beginning as `service`."""
    reader = kafka(stack, service).reader()
    await reader.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)]
        reader.assign(partitions)
        await reader.seek_to_beginning()
        end = time.monotonic() + within
        while time.monotonic() < end:
            for records in (await reader.getmany(timeout_ms=200)).values():
                for record in records:
                    if fits(record):
                        return record
            await asyncio.sleep(0)
    finally:
        await reader.stop()
    raise AssertionError(f"no such record on {topic} within {within:g} s")
