"""What leaves a service: written with the access it describes, sent until its reader confirms it (04.4, invariant 6).

Rows are claimed by state and never by an id cursor; nothing is deleted here but what was confirmed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.stored import Stored
from guard import database, errors, telemetry
from guard.database import Connection, Pool
from guard.patience import within

_log = logging.getLogger("guard.outbox")
_BATCH = 500
_LINGER = 0.1  # seconds between a wake-up and the claim: a turn costs the whole way as much as ten accesses
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
        await asyncio.sleep(_LINGER)
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
        if rows:
            await self._send(pool, producer, rows)
            telemetry.outbox_sent.labels(self._service).inc(len(rows))
        self._failures = 0
        return len(rows)

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
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await within(5, producer.stop())
    except (KafkaError, OSError, TimeoutError) as failed:
        _log.warning("producer did not stop cleanly", extra={"error": type(failed).__name__})


async def _hand_over(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
    sends = [
        await producer.send(
            row["topic"],
            row["payload"].encode(),
            key=row["key"].encode(),
            headers=[("event_id", str(row["event_id"]).encode()), ("traceparent", row["trace"].encode())],
        )
        for row in rows
    ]
    await asyncio.gather(*sends)
