"""`konci dlq`: the messages that audit could not store, each to be sent again or given up.

A letter counts as dealt with when this command's group has committed past it; nothing is deleted before its retention.
It shows where a letter came from and why, never its content.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from rich.text import Text

from events.topic import TOPICS
from konci import screen
from konci.failure import Failed
from konci.internal import mutual
from konci.screen import AsJson
from stack.settings import Stack

app = typer.Typer(help="Dead letters: what audit could not store.\n\nExample: konci dlq list", no_args_is_help=True)

SUFFIX = ".dlq"
# The rules of topics.yaml let a reader use groups that begin with its own name.
GROUP = "audit.dead-letters"
# What `guard.inbox` adds to a letter; a letter that is sent again leaves without them.
_ADDED = ("origin", "cause")
_SILENCE_MS = 2_000
_ANSWER_SECONDS = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, with what the consumer noted about it."""

    record: ConsumerRecord

    def header(self, name: str) -> str:
        """A header's text, or a question mark where it is missing."""
        return next((value.decode(errors="replace") for key, value in self.record.headers if key == name), "?")

    def plain(self) -> dict[str, Any]:
        """What is shown of it."""
        return {
            "topic": self.record.topic,
            "partition": self.record.partition,
            "offset": self.record.offset,
            "at": datetime.fromtimestamp(self.record.timestamp / 1000, UTC).isoformat(timespec="seconds"),
            "origin": self.header("origin"),
            "cause": self.header("cause"),
            "event_id": self.header("event_id"),
            "bytes": len(self.record.value or b""),
        }


def _dead_letter_topics() -> list[str]:
    return sorted(name for name in TOPICS if name.endswith(SUFFIX))


def _a_topic(value: str | None) -> str | None:
    if value is None:
        return None
    name = value if value.endswith(SUFFIX) else value + SUFFIX
    if name not in TOPICS:
        raise typer.BadParameter(f"one of {', '.join(_dead_letter_topics())}")
    return name


AllOrOne = Annotated[str | None, typer.Argument(help="A topic, e.g. access.auth; all without it.", callback=_a_topic)]
One = Annotated[str, typer.Argument(help="A topic, e.g. access.auth.", callback=_a_topic)]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many, oldest first.")]


@app.command("list")
def list_(topic: AllOrOne = None, *, as_json: AsJson = False) -> None:
    """List the letters that wait, oldest first.

    Example: konci dlq list access.tenant_data
    """
    letters = _run(_waiting(Stack.here(), [topic] if topic else _dead_letter_topics()))
    result = [letter.plain() for letter in letters]
    columns = ("topic", "partition", "offset", "at", "origin", "cause", "event_id", "bytes")
    rows = [[letter[column] for column in columns] for letter in result]
    screen.show(result, screen.table("Dead letters", columns, rows), as_json=as_json)


@app.command()
def replay(topic: One, limit: Limit = None, *, as_json: AsJson = False) -> None:
    """Send waiting letters to the topic they came from, as they were; a letter that fails again comes back.

    Example: konci dlq replay access.tenant_data --limit 10
    """
    sent = _run(_replay(Stack.here(), topic, limit))
    screen.show({"topic": topic, "replayed": sent}, Text(f"{sent} letters of {topic} were sent again"), as_json=as_json)


@app.command()
def discard(
    topic: One,
    limit: Limit = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    *,
    as_json: AsJson = False,
) -> None:
    """Give waiting letters up: they are not listed any more, and gone with the topic's retention.

    The sender's outbox still holds an event that was never stored, and sends it again.

    Example: konci dlq discard access.tenant_data --limit 1 --yes
    """
    if not yes and (as_json or not typer.confirm(f"Give up waiting letters of {topic}?")):
        raise typer.BadParameter("discarding needs a yes", param_hint="--yes")
    gone = _run(_discard(Stack.here(), topic, limit))
    screen.show({"topic": topic, "discarded": gone}, Text(f"{gone} letters of {topic} were given up"), as_json=as_json)


def _run(work: Coroutine[Any, Any, T]) -> T:
    # What its client meets is said below, in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(asyncio.wait_for(work, _ANSWER_SECONDS))
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failed(
            f"Kafka does not answer ({type(error).__name__})", "run `konci status`, then `konci up`"
        ) from error


@asynccontextmanager
async def _reader(stack: Stack) -> AsyncIterator[AIOKafkaConsumer]:
    # audit is the one reader of dead letters; an operator on this machine acts with its certificate.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{stack.port_of('kafka')}",
        group_id=GROUP,
        security_protocol="SSL",
        ssl_context=mutual(stack, stack.identity("audit") / "identity.pem"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _waiting(stack: Stack, topics: list[str]) -> list[Letter]:
    async with _reader(stack) as consumer:
        return await _letters(consumer, topics)


async def _letters(consumer: AIOKafkaConsumer, topics: list[str]) -> list[Letter]:
    partitions = [TopicPartition(name, number) for name in topics for number in range(TOPICS[name].partitions)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    found: list[Letter] = []
    while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
        fetched = await consumer.getmany(timeout_ms=_SILENCE_MS)
        found.extend(Letter(record) for records in fetched.values() for record in records)
    return sorted(found, key=lambda letter: (letter.record.timestamp, letter.record.topic, letter.record.offset))


async def _replay(stack: Stack, topic: str, limit: int | None) -> int:
    origin = topic.removesuffix(SUFFIX)
    # Only a topic's owner may write to it; the letter goes back under the name of the service that sent it.
    producer = AIOKafkaProducer(
        bootstrap_servers=f"127.0.0.1:{stack.port_of('kafka')}",
        security_protocol="SSL",
        ssl_context=mutual(stack, stack.identity(TOPICS[origin].owner) / "identity.pem"),
        acks="all",
        enable_idempotence=True,
    )
    async with _reader(stack) as consumer:
        letters = (await _letters(consumer, [topic]))[:limit]
        try:
            await producer.start()
            for letter in letters:
                record = letter.record
                headers = [(key, value) for key, value in record.headers if key not in _ADDED]
                await producer.send_and_wait(origin, record.value, key=record.key, headers=headers)
        finally:
            await producer.stop()
        # After the last acknowledgement: a replay that breaks off is done again, and audit stores an event once.
        await _deal_with(consumer, letters)
    return len(letters)


async def _discard(stack: Stack, topic: str, limit: int | None) -> int:
    async with _reader(stack) as consumer:
        letters = (await _letters(consumer, [topic]))[:limit]
        await _deal_with(consumer, letters)
    return len(letters)


async def _deal_with(consumer: AIOKafkaConsumer, letters: list[Letter]) -> None:
    past: dict[TopicPartition, int] = {}
    for letter in letters:
        partition = TopicPartition(letter.record.topic, letter.record.partition)
        past[partition] = max(past.get(partition, 0), letter.record.offset + 1)
    if past:
        await consumer.commit(past)


def register(root: typer.Typer) -> None:
    """Adds `konci dlq`."""
    root.add_typer(app, name="dlq")
