"""The accesses of every service: a batch is stored once and confirmed in one transaction (04.4, invariant 6).

An event that a service sent under a name that is not its own never enters the log.
"""

from collections import defaultdict
from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from audit import store
from events.access import PLATFORM, AccessEvent
from events.stored import Stored
from events.topic import TOPICS, access_topic
from events.uuid7 import uuid7
from guard import database, outbox
from guard.database import Pool
from guard.inbox import Handler
from guard.outbox import Message, Relay

STORED = "audit.stored"
ACCESSES = tuple(sorted(topic.name for topic in TOPICS.values() if AccessEvent.__name__ in topic.events))


class Misattributed(Exception):
    """An event names a service that does not own the topic it came by, or a client that is not its record's."""


def record_accesses(jobs: Pool, relay: Relay) -> Handler:
    """Stores a batch; `jobs` is the job role's pool. A repeated event is confirmed again, and no more."""

    async def record(records: Sequence[ConsumerRecord]) -> None:
        events = [read(given.topic, given.key, given.value) for given in records]
        async with database.translate(), jobs.acquire() as connection, connection.transaction():
            await store.insert_events(connection, events)
            # By the outbox: the confirmation is as durable as what it confirms, and needs no Kafka now.
            await outbox.put(connection, confirmations(events))
        relay.wake()

    return record


def read(topic: str, key: bytes | None, payload: bytes) -> AccessEvent:
    """The event of a record. Raises ValidationError, or Misattributed: only `auth` speaks for `auth`."""
    event = AccessEvent.model_validate_json(payload)
    if topic not in ACCESSES or access_topic(event.service).name != topic or key != str(event.client_id).encode():
        raise Misattributed(topic)
    return event


def confirmations(events: Sequence[AccessEvent]) -> list[Message]:
    """For each service, the ids that it may forget."""
    by_service: defaultdict[str, dict[str, AccessEvent]] = defaultdict(dict)
    for event in events:
        by_service[event.service][str(event.event_id)] = event
    return [
        Message(
            client_id=PLATFORM,
            event_id=uuid7(),
            topic=STORED,
            key=service,
            payload=Stored(service=service, event_ids=tuple(event.event_id for event in distinct.values())).payload(),
        )
        for service, distinct in by_service.items()
    ]
