"""Kafka clients with the settings that lose nothing, made in one place (invariants 6 and 10; 02.2).

The libraries' defaults are lossy (acks=1, auto-commit, `latest`): no service may build a client of its own.
"""

import logging
from collections.abc import Collection
from ssl import SSLContext

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.topic import TOPICS
from guard.patience import within

_log = logging.getLogger("guard.kafka")
_PATIENCE = 5.0  # seconds for a client to end


class Kafka:
    """Where the brokers are and who we are to them; the certificate in `tls` is the principal that ACLs name."""

    def __init__(self, brokers: str, tls: SSLContext, service: str) -> None:
        self._brokers = brokers
        self._tls = tls
        self._service = service

    def producer(self) -> AIOKafkaProducer:
        """A producer whose acknowledgement means: on every in-sync replica, once, in order. Not started."""
        return AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            client_id=self._service,
            security_protocol="SSL",
            ssl_context=self._tls,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=262_144,
            request_timeout_ms=10_000,
            metadata_max_age_ms=5_000,  # recreated topics are found again within seconds
        )

    def consumer(self, topics: Collection[str], purpose: str) -> AIOKafkaConsumer:
        """A member of the group `<service>.<purpose>` that begins at the beginning and commits when told to."""
        return AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self._brokers,
            client_id=self._service,
            group_id=f"{self._service}.{purpose}",
            security_protocol="SSL",
            ssl_context=self._tls,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            max_poll_interval_ms=600_000,
            # One fetch at a time is under way to a broker, and it does not name partitions whose records still wait
            # here: one that was emptied meanwhile waits for its end. So among several it is short, and brings much.
            fetch_max_wait_ms=100 if sum(TOPICS[topic].partitions for topic in topics) > 1 else 500,
            fetch_max_bytes=16 * 2**20,
            max_partition_fetch_bytes=4 * 2**20,
            metadata_max_age_ms=5_000,
        )

    def reader(self) -> AIOKafkaConsumer:
        """A consumer without a group, for topics that every process reads from the beginning. Not started."""
        return AIOKafkaConsumer(
            bootstrap_servers=self._brokers,
            client_id=self._service,
            security_protocol="SSL",
            ssl_context=self._tls,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=5_000,
        )


async def stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Ends a client, or gives it up after five seconds: one whose broker has gone may never end."""
    try:
        await within(_PATIENCE, client.stop())
    except (KafkaError, OSError, TimeoutError) as failed:
        _log.warning("client did not stop cleanly", extra={"error": type(failed).__name__})
