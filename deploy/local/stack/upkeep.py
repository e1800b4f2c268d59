"""Kafka kept as topics.yaml says: topics and rules made again within seconds of their loss, strange rules removed.
Keeps no state worth saving: all of it can be worked out again from the file and the broker.
"""

import asyncio
import logging

from kafka.errors import AuthorizationError

from events.topic import TOPICS
from stack import topics
from stack.broker import Broker, KafkaError
from stack.measurements import Measurements
from stack.settings import Stack

log = logging.getLogger("keeper.upkeep")

_PAUSE = 2.0
_SOON = 0.2  # a new rule takes a moment to bite
_COUNT_EVERY = 5  # rounds: records are counted every ten seconds


class Upkeep:
    """One admin connection, made anew after any failure and when the keeper's certificate was renewed."""

    def __init__(self, stack: Stack, measurements: Measurements) -> None:
        self._stack = stack
        self._measurements = measurements
        self._broker: Broker | None = None
        self._certificate = 0
        self._round = 0

    def step(self) -> bool:
        """Bring the broker to what must be; whether it was so already.

        Blocking. Raises KafkaError or OSError while the broker is away.
        """
        try:
            try:
                return self._bring()
            except AuthorizationError:
                self._admit()
                return False
        except (KafkaError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection, if any."""
        broker, self._broker = self._broker, None
        if broker:
            broker.close()

    def _bring(self) -> bool:
        broker = self._connected()
        present = broker.topics()
        if missing := [topic for topic in TOPICS.values() if topic.name not in present]:
            broker.create(missing)
            log.warning("topics made", extra={"count": len(missing)})
        have, must = broker.grants(), topics.grants(TOPICS.values())
        if lacking := must - have:
            broker.allow(lacking)
            log.warning("rules made", extra={"count": len(lacking)})
        if strange := have - must:
            broker.forbid(strange)
            log.warning("strange rules removed", extra={"count": len(strange)})
        if missing or lacking or strange:
            return False
        if self._round == 0:
            broker.configure(TOPICS.values())
        if self._round % _COUNT_EVERY == 0:
            self._measurements.records(broker.records(TOPICS))
        self._round += 1
        self._measurements.kafka_is_up(up=True)
        return True

    def _connected(self) -> Broker:
        changed = (self._stack.identity(topics.KEEPER) / "identity.pem").stat().st_mtime_ns
        if changed != self._certificate:
            self.close()
        if self._broker is None:
            self._broker, self._certificate, self._round = Broker(self._stack, topics.KEEPER), changed, 0
        return self._broker

    def _admit(self) -> None:
        """A fresh broker knows no rule, not even that the keeper may make some. The broker's own certificate, which the
        keeper renews, says so; it is used for nothing else.
        """
        with Broker(self._stack, "kafka") as itself:
            itself.allow(topics.keeper_grants())
        log.warning("keeper admitted to a fresh broker")


async def keep(stack: Stack, measurements: Measurements) -> None:
    """Look every two seconds, sooner after a repair, for ever. A broker that is away is said once and tried again."""
    upkeep = Upkeep(stack, measurements)
    said = ""
    while True:
        try:
            was_so = await asyncio.to_thread(upkeep.step)
            said = ""
        except (KafkaError, OSError) as refused:
            was_so = True
            measurements.kafka_is_up(up=False)
            # The kind only: kafka-python's messages hold whole requests.
            if said != (said := type(refused).__name__):
                log.warning("kafka waits", extra={"error": said})
        await asyncio.sleep(_PAUSE if was_so else _SOON)
