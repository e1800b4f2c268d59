"""What `auth.clients` owes its readers: the state of every client, told again when Kafka lost it (invariant 6).

It never sends by itself: what it tells goes through the outbox, behind any change that was committed before.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from auth.client import TOPIC
from auth.store import client as store
from events.access import Action
from guard import errors
from guard.access import Door
from guard.kafka import Kafka
from guard.patience import within

_log = logging.getLogger("auth.client_news")
_ONLY = TopicPartition(TOPIC, 0)
_REASON = "the topic of clients was lost"
_PAGE = 200


async def run(door: Door, kafka: Kafka, lost: asyncio.Event) -> None:
    """At start, and whenever `lost` is set: tells of every client that the topic does not name. Until cancelled."""
    while True:
        lost.clear()
        try:
            told = await _retell(door, kafka)
        except (KafkaError, OSError, TimeoutError, errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("clients not told again yet", extra={"error": type(failed).__name__})
            await asyncio.sleep(1)
            continue
        if told:
            _log.warning("clients told again", extra={"count": told})
        await lost.wait()


async def _retell(door: Door, kafka: Kafka) -> int:
    """How many clients were told of. The topic is read before the register: who joins meanwhile tells it itself."""
    named = await _named(kafka)
    told = 0
    async for client_id in _registered(door):
        if str(client_id) not in named:
            await _tell(door, client_id)
            told += 1
    return told


async def _named(kafka: Kafka) -> set[str]:
    """The ids of the clients that the topic has a state of."""
    named: set[str] = set()
    async with _reader(kafka) as reader:
        end = (await within(5, reader.end_offsets([_ONLY])))[_ONLY]
        # Compaction leaves gaps: the position tells the end, not the last record.
        while await within(5, reader.position(_ONLY)) < end:
            fetched = await within(15, reader.getmany(_ONLY, timeout_ms=500))
            named.update(record.key.decode() for record in fetched.get(_ONLY, []) if record.key)
    return named


@asynccontextmanager
async def _reader(kafka: Kafka) -> AsyncIterator[AIOKafkaConsumer]:
    reader = kafka.reader()
    try:
        await within(15, reader.start())
        reader.assign([_ONLY])
        await within(5, reader.seek_to_beginning(_ONLY))
        yield reader
    finally:
        try:
            await within(5, reader.stop())
        except (KafkaError, OSError, TimeoutError) as failed:
            _log.warning("reader did not stop cleanly", extra={"error": type(failed).__name__})


async def _registered(door: Door) -> AsyncIterator[UUID]:
    before = None
    while True:
        async with door.platform() as connection:
            page = await store.registered(connection, before, _PAGE)
        for client_id in page:
            yield client_id
        if len(page) < _PAGE:
            return
        before = page[-1]


async def _tell(door: Door, client_id: UUID) -> None:
    # Through its own door and into its own log: no transaction sees two clients.
    caller = door.service_caller(client_id, reason=_REASON)
    async with door.entry().open(caller, Action.CLIENT_READ) as access:
        # Held: a change that is committed after this is also told after it, and stays the topic's last word.
        await store.hold(access)
        row = await store.find(access)
        access.touch("client", client_id)
        if row is not None:
            await access.publish(TOPIC, str(client_id), row.changed(access.now))
