"""What leaves a service: written with the access it describes, sent until its reader confirms it (04.4, invariant 6).

Rows are claimed by state and never by an id cursor; nothing is deleted here but what was confirmed.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition
from pydantic import ValidationError

from events.catalogue import EVENTS
from events.event import Event
from events.stored import Stored
from events.topic import TOPICS
from guard import database, errors, kafka, telemetry
from guard.database import Connection, Pool
from guard.patience import within

_log = logging.getLogger("guard.outbox")
_BATCH = 500
_LINGER = 0.03  # seconds between a wake-up and the claim
_LINGER_BUSY = 0.2  # after a turn with more than a few: it costs the whole way to the log as much as ten accesses do
_FEW = 5
_POLL = 0.5  # seconds; the backstop when a wake-up was missed
_RESEND_AFTER = 10.0  # seconds without confirmation, doubled at each try
_RESEND_AT_MOST = 600.0  # seconds between two tries
_PATIENCE = 15.0  # seconds for any call to Kafka
_REBUILD_AFTER = 3  # failed sends in a row: an idempotent producer can wedge for good (aiokafka issue 1017)


@dataclass(frozen=True, slots=True)
class Message:
    """One record for a topic; `key` decides its partition, and with it its order."""

    client_id: UUID
    event_id: UUID
    topic: str
    key: str
    payload: str


async def put(connection: Connection, messages: Sequence[Message]) -> None:
    """Writes `messages` in the caller's transaction; they are sent if and only if it commits."""
    trace = telemetry.traceparent()
    for m in messages:  # nearly always one
        await connection.execute(
            "INSERT INTO guard.outbox (client_id, event_id, topic, key, payload, trace)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            m.client_id, m.event_id, m.topic, m.key, m.payload, trace,
        )  # fmt: skip


async def confirm(pool: Pool, stored: Stored) -> int:
    """Deletes what the audit service has committed; how many rows that were still here."""
    async with database.translate(), pool.acquire() as connection:
        tag = await connection.execute(
            "DELETE FROM guard.outbox WHERE event_id = ANY($1::uuid[])", list(stored.event_ids)
        )
    return int(tag.rsplit(" ", 1)[-1])


class Relay:
    """Sends the outbox of one service: woken after each commit, polling as a backstop, one batch at a time."""

    def __init__(self, service: str, make_producer: Callable[[], AIOKafkaProducer]) -> None:
        self._service = service
        self._make_producer = make_producer
        self._producer: AIOKafkaProducer | None = None
        self._woken = asyncio.Event()
        self._failures = 0
        self._linger = _LINGER
        self._measured_at = time.monotonic()

    def wake(self) -> None:
        """Says that something was committed. Cheap; called after each access."""
        self._woken.set()

    async def run(self, pool: Pool) -> None:
        """Runs until cancelled. `pool` is the job role's; Kafka or the database away is waited for, never fatal."""
        try:
            while True:
                try:
                    if await self._turn(pool) < _BATCH:
                        await self._rest()
                except (errors.Unavailable, asyncpg.PostgresError, KafkaError, OSError, TimeoutError) as failed:
                    await self._recover(failed)
        finally:
            await self._discard()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), _POLL)
        except TimeoutError:
            return
        # What is committed in the next moment goes along: one claim, one send and one confirmation for all of it.
        await asyncio.sleep(self._linger)
        self._woken.clear()

    async def _recover(self, failed: Exception) -> None:
        self._failures += 1
        telemetry.outbox_failures.labels(self._service).inc()
        _log.warning("outbox not sent", extra={"error": type(failed).__name__, "attempt": self._failures})
        if self._failures % _REBUILD_AFTER == 0 or "Sequence" in type(failed).__name__:
            await self._discard()
        await asyncio.sleep(min(0.1 * 2**self._failures, 2.0))

    async def _turn(self, pool: Pool) -> int:
        # A producer first: claimed rows that cannot be sent would wait for their resend.
        producer = await self._started()
        rows = await self._claim(pool)
        if ours := [row for row in rows if self._is_ours(row["topic"], row["payload"])]:
            await self._send(pool, producer, ours)
            telemetry.outbox_sent.labels(self._service).inc(len(ours))
        self._failures = 0
        self._linger = _LINGER if len(rows) <= _FEW else _LINGER_BUSY
        return len(rows)

    def _is_ours(self, topic: str, payload: str) -> bool:
        # Kafka would refuse another's topic, and with it all that was claimed beside it; what no reader understands
        # would hold up a domain topic for ever. Either can only have been injected: it stays, is counted and alerted.
        known = TOPICS.get(topic)
        is_ours = known is not None and known.owner == self._service
        if is_ours and known is not None and not topic.startswith("access."):  # those have dead letters
            is_ours = any(_is_one(EVENTS[name], payload) for name in known.events)
        if not is_ours:
            _log.error("the outbox holds a row that this service never sends")
        return is_ours

    async def _claim(self, pool: Pool) -> list[asyncpg.Record]:
        # Claimed is: due again later. What nobody confirms by then is sent once more, each time after twice as long, so
        # that a wiped topic is filled again within seconds and an event that nobody can read is no flood.
        async with database.translate(), pool.acquire() as connection:
            rows = await connection.fetch(
                "WITH due AS (SELECT ctid FROM guard.outbox WHERE due_at <= clock_timestamp()"
                " ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)"
                " UPDATE guard.outbox o SET sends = least(o.sends + 1, 16), due_at = clock_timestamp()"
                " + make_interval(secs => least($2 * 2 ^ o.sends, $3)) FROM due WHERE o.ctid = due.ctid"
                " RETURNING o.client_id, o.event_id, o.topic, o.key, o.payload, o.trace",
                _BATCH,
                _RESEND_AFTER,
                _RESEND_AT_MOST,
            )
            if not rows and time.monotonic() - self._measured_at > 1.0:
                self._measured_at = time.monotonic()
                await self._measure(connection)
        return rows

    async def _measure(self, connection: Connection) -> None:
        row = await connection.fetchrow(
            "SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age"
            " FROM guard.outbox"
        )
        if row is None:
            return
        telemetry.outbox_waiting.labels(self._service).set(row["waiting"])
        telemetry.outbox_age.labels(self._service).set(float(row["age"]))

    async def _send(self, pool: Pool, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
        try:
            await within(_PATIENCE, _hand_over(producer, rows))
        except BaseException:
            # Not lost, only late: handed back now if the database listens, else found by the resend.
            await asyncio.shield(self._give_back(pool, rows))
            raise
        # Only access events have a reader that confirms; any other is done with the broker's acknowledgement.
        done = [row["event_id"] for row in rows if not row["topic"].startswith("access.")]
        if done:
            async with database.translate(), pool.acquire() as connection:
                await connection.execute("DELETE FROM guard.outbox WHERE event_id = ANY($1::uuid[])", done)

    async def _give_back(self, pool: Pool, rows: Sequence[asyncpg.Record]) -> None:
        try:
            async with pool.acquire() as connection:
                await connection.execute(
                    "UPDATE guard.outbox SET due_at = clock_timestamp(), sends = sends - 1"
                    " WHERE event_id = ANY($1::uuid[]) AND sends > 0",
                    [row["event_id"] for row in rows],
                )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as failed:
            _log.warning("claimed rows wait for their resend", extra={"error": type(failed).__name__})

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = self._make_producer()
            try:
                await within(_PATIENCE, producer.start())
            except BaseException:
                await kafka.stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await kafka.stop(producer)


def _is_one(kind: type[Event], payload: str) -> bool:
    try:
        kind.model_validate_json(payload)
    except ValidationError:
        return False
    return True


async def _hand_over(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
    """Sends rows of one partition as one batch: by message it took as much of the service as all its requests."""
    by_partition: defaultdict[TopicPartition, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        partitions = await producer.partitions_for(row["topic"])
        by_partition[TopicPartition(row["topic"], _partition(row["key"], len(partitions)))].append(row)
    sent = [
        await producer.send_batch(batch, at.topic, partition=at.partition)
        for at, own in by_partition.items()
        for batch in _batches(producer, own)
    ]
    await asyncio.gather(*sent)


def _batches(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> Iterator[BatchBuilder]:
    batch = producer.create_batch()
    for row in rows:
        if not _is_added(batch, row):
            yield batch
            batch = producer.create_batch()
            if not _is_added(batch, row):  # the first one always fits: Kafka itself refuses what is too large
                raise RuntimeError("an empty batch took no message")
    yield batch


def _is_added(batch: BatchBuilder, row: asyncpg.Record) -> bool:
    headers = [("event_id", str(row["event_id"]).encode()), ("traceparent", row["trace"].encode())]
    key, value = row["key"].encode(), row["payload"].encode()
    return batch.append(timestamp=None, key=key, value=value, headers=headers) is not None


@lru_cache(maxsize=10_000)
def _partition(key: str, partitions: int) -> int:
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions  # as every Kafka client chooses it
