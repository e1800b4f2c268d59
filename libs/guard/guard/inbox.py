"""Batch consumption: handled, committed in the database, only then acknowledged (04.4, invariant 6).

A message that cannot be handled goes to `<topic>.dlq` with its origin and cause, and its partition goes on. Handlers
must be able to see a message twice: what they store carries the event's id as its key.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord

from events.topic import TOPICS
from guard import errors, kafka, telemetry
from guard.kafka import Kafka
from guard.patience import within

_log = logging.getLogger("guard.inbox")
_BATCH = 500
_TRIES = 3  # of one message by itself, before it is a dead letter
_STUCK_AFTER = 5.0  # seconds with lag and without progress (aiokafka issue 1154: no error is raised)
_STANDSTILL = 30.0  # seconds between two tries at a message that has nowhere else to go
_PATIENCE = 15.0  # seconds for any call to Kafka: some of aiokafka's wait for ever once a broker has come back
_TRANSIENT = (
    errors.Unavailable,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
    OSError,
    TimeoutError,
    KafkaError,
)

Handler = Callable[[Sequence[ConsumerRecord]], Awaitable[None]]
"""Stores a batch in one database transaction. A lasting fault of one message may be any other exception."""


class Consumer:
    """Consumes `topics` for one service, for as long as the process lives."""

    def __init__(self, kafka: Kafka, topics: Sequence[str], handler: Handler, *, purpose: str) -> None:
        self._kafka = kafka
        self._purpose = purpose
        self._topics = topics
        self._handler = handler
        self._dead_letters: AIOKafkaProducer | None = None
        self.is_running = False

    async def run(self) -> None:
        """Runs until cancelled: Kafka or the database away is waited for, a stuck client is replaced."""
        try:
            while True:
                consumer = self._kafka.consumer(self._topics, self._purpose)
                try:
                    await within(_PATIENCE, consumer.start())
                    self.is_running = True
                    await self._consume(consumer)
                except (KafkaError, OSError, TimeoutError, IllegalStateError) as failed:
                    _log.warning("consumer restarts", extra={"error": type(failed).__name__})
                    await asyncio.sleep(0.5)
                finally:
                    self.is_running = False
                    await kafka.stop(consumer)
        finally:
            if self._dead_letters is not None:
                await kafka.stop(self._dead_letters)

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        progressed_at = time.monotonic()
        before: dict[TopicPartition, int] = {}
        while True:
            fetched = await within(_PATIENCE, consumer.getmany(timeout_ms=200, max_records=_BATCH))
            records = [record for batch in fetched.values() for record in batch]
            if records:
                await self._handle(records)
                try:
                    await within(_PATIENCE, consumer.commit())
                except CommitFailedError:
                    # The group moved on without us; the new owner sees these again and knows their ids.
                    _log.info("partitions moved before the commit")
                progressed_at = time.monotonic()
            elif time.monotonic() - progressed_at > _STUCK_AFTER:
                unread = await _unread(consumer, self._topics)
                # Who holds a partition has had all of it by now. Who holds none (there are more copies than partitions)
                # is stuck only if nobody got on since the last look: each replacement halts the whole group.
                if unread and (consumer.assignment() or unread == before):
                    _log.warning("consumer is stuck and is replaced", extra={"group": self._purpose})
                    return
                before = unread
                progressed_at = time.monotonic()

    async def _handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Handles a batch; one that fails for good is halved until its bad messages stand alone to be buried."""
        tries = 0
        while True:
            failed = await self._attempt(records)
            if failed is None:
                return
            if len(records) > 1:
                _log.warning("batch is halved", extra={"error": type(failed).__name__, "count": len(records)})
                half = len(records) // 2
                await self._handle(records[:half])
                await self._handle(records[half:])
                return
            tries += 1
            if tries < _TRIES:
                await asyncio.sleep(0.2 * tries)
            elif f"{records[0].topic}.dlq" in TOPICS:
                await self._bury(records[0], failed)
                return
            else:
                # A domain topic without dead letters: dropping the message would lose it, so it waits to be understood.
                origin = f"{records[0].topic}/{records[0].partition}/{records[0].offset}"
                _log.error("message waits to be understood", extra={"origin": origin, "cause": type(failed).__name__})
                telemetry.dead_letters.labels(records[0].topic).inc()
                await asyncio.sleep(_STANDSTILL)

    async def _attempt(self, records: Sequence[ConsumerRecord]) -> Exception | None:
        """None when handled; the lasting fault otherwise. What will pass is waited for here."""
        waits = 0
        while True:
            try:
                with telemetry.consumed(records):
                    await self._handler(records)
            except _TRANSIENT as failed:
                waits += 1
                _log.warning("batch waits", extra={"error": type(failed).__name__, "attempt": waits})
                await asyncio.sleep(min(0.1 * 2**waits, 2.0))
            except Exception as failed:  # noqa: BLE001 - any fault of a handler must isolate its message, whatever it is
                return failed
            else:
                return None

    async def _bury(self, record: ConsumerRecord, failed: Exception) -> None:
        headers = [
            ("origin", f"{record.topic}/{record.partition}/{record.offset}".encode()),
            # The type and never the text: messages of validators quote what they refuse.
            ("cause", type(failed).__name__.encode()),
            *record.headers,
        ]
        telemetry.dead_letters.labels(record.topic).inc()
        for attempt in range(_TRIES):
            # Before it is started: one that fails to start holds connections all the same, and is stopped below.
            producer = self._dead_letters or self._kafka.producer()
            try:
                if self._dead_letters is None:
                    await within(_PATIENCE, producer.start())
                    self._dead_letters = producer
                letter = producer.send_and_wait(f"{record.topic}.dlq", record.value, key=record.key, headers=headers)
                await within(_PATIENCE, letter)
            except (KafkaError, OSError, TimeoutError) as refused:
                _log.warning("dead letter refused", extra={"error": type(refused).__name__, "attempt": attempt})
                # An idempotent producer can wedge for good: the next try is another one's.
                self._dead_letters = None
                await kafka.stop(producer)
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return
        # The partition must not wait for its dead-letter topic; the sender's outbox still holds the message.
        _log.error("dead letter dropped", extra={"origin": headers[0][1].decode(), "cause": type(failed).__name__})


async def _unread(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Where reading stands in each partition that has more: of its own, or of the group's when it holds none."""
    own = consumer.assignment()
    places = own or [TopicPartition(one, at) for one in topics for at in consumer.partitions_for_topic(one) or ()]
    if not places:
        return {TopicPartition(topic, 0): 0 for topic in topics}  # not known yet; lastingly so, it is stuck
    ends = await within(5, consumer.end_offsets(list(places)))
    begins = await within(5, consumer.beginning_offsets(list(places)))
    stands = consumer.position if own else consumer.committed
    read = {place: max(await within(5, stands(place)) or 0, begins[place]) for place in places}
    return {place: read[place] for place in places if read[place] != ends[place]}
