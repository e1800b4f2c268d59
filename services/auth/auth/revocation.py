"""What ends tokens before their time, and the heartbeat that shows others that they would hear of it (04.1)."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from auth.store import revocation as store
from events.event import Event
from events.revocation import Heartbeat, Revoked, RevokedKind
from guard import database, errors, kafka
from guard.access import Access
from guard.clock import Clock
from guard.database import Pool
from guard.kafka import Kafka
from guard.patience import within

TOPIC = "auth.revocations"
# The longest life of a token, and a minute for clocks that differ: nothing that it ends can be alive after that.
_KEPT = timedelta(seconds=660)
_BEAT = 1.0  # seconds
_PATIENCE = 15.0  # seconds for a producer to start: some of aiokafka's calls wait for ever once a broker has gone
_HURRY = 0.5  # seconds that an answer waits for its revocation to be on the topic; the outbox sends it anyway

_log = logging.getLogger("auth.revocation")


async def revoke(access: Access, kind: RevokedKind, subject: UUID | str) -> Revoked:
    """Refuses the subject's tokens from this transaction's commit on; then give the result to `Herald.announce`.

    Change what tokens rest on first: those that were minted while that waited for its lock are ended too.
    """
    at = access.door.clock.now()  # not when the door was opened
    revoked = Revoked(kind=kind, id=str(subject), client_id=access.client_id, at=at, expires_at=at + _KEPT)
    await store.add(access, revoked)
    await access.publish(TOPIC, revoked.key, revoked)
    return revoked


async def end_sessions(access: Access, session_ids: Sequence[UUID]) -> list[Revoked]:
    """As `revoke`, for sessions that the store has ended."""
    for session_id in session_ids:
        access.touch("session", session_id)
    return [await revoke(access, RevokedKind.SESSION, session_id) for session_id in session_ids]


class Herald:
    """Writes `auth.revocations` directly: heartbeats, what is urgent, and everything again when the topic was lost.

    `lost` is set when that is seen: Kafka's data is gone, and with it what other topics held.
    """

    def __init__(self, kafka: Kafka, jobs: Pool, clock: Clock) -> None:
        self._kafka = kafka
        self._jobs = jobs
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._last_offset = -1
        self.lost = asyncio.Event()

    async def announce(self, revocations: Sequence[Revoked]) -> None:
        """Puts committed revocations on the topic now, before the answer; when that fails, the outbox still will."""
        producer = self._producer
        if producer is None or not revocations:
            return
        try:
            await within(_HURRY, self._announce(producer, revocations))
        except (KafkaError, OSError, TimeoutError) as failed:
            _log.warning("revocation left to the outbox", extra={"error": type(failed).__name__})

    async def _announce(self, producer: AIOKafkaProducer, revocations: Sequence[Revoked]) -> None:
        for revoked in revocations:
            await self._send(producer, revoked.key, revoked)

    async def run(self) -> None:
        """Beats once a second until cancelled; Kafka or the database away is waited for."""
        while True:
            producer = self._kafka.producer()
            try:
                await within(_PATIENCE, producer.start())
                # All of them first: a reader that begins now must not take a heartbeat for the whole story.
                await self._repeat(producer)
                self._producer = producer
                await self._beat(producer)
            except (KafkaError, OSError, TimeoutError, errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("heartbeat stopped", extra={"error": type(failed).__name__})
                await asyncio.sleep(_BEAT / 2)
            finally:
                self._producer = None
                await kafka.stop(producer)

    async def _beat(self, producer: AIOKafkaProducer) -> None:
        while True:
            beat = Heartbeat(at=self._clock.now())
            if await self._was_lost(producer, beat.key, beat):
                await self._repeat(producer)
            await asyncio.sleep(_BEAT)

    async def _repeat(self, producer: AIOKafkaProducer) -> None:
        async with database.translate(), self._jobs.acquire() as connection:
            standing = await store.standing(connection, self._clock.now())
        for revoked in standing:
            await self._was_lost(producer, revoked.key, revoked)

    async def _was_lost(self, producer: AIOKafkaProducer, key: str, event: Event) -> bool:
        """Sends; whether the topic had begun anew. Offsets only grow, so one below the last is another topic's."""
        offset = await within(5, self._send(producer, key, event))
        was_lost = offset < self._last_offset
        self._last_offset = offset
        if was_lost:
            _log.warning("the topic was lost, everything is sent again", extra={"topic": TOPIC, "offset": offset})
            self.lost.set()
        return was_lost

    @staticmethod
    async def _send(producer: AIOKafkaProducer, key: str, event: Event) -> int:
        sent = await producer.send_and_wait(TOPIC, event.payload().encode(), key=key.encode())
        return int(sent.offset)
