"""04.4, 02.3: an event speaks for one service and one client, once: no other may write, read, replay or bend it.

Every topic of `topics.yaml` against every identity of the platform; a new topic is attacked without being named.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import ConsumerRecord, RecordMetadata

import events
from events.access import AccessEvent
from events.event import rfc3339
from events.topic import TOPICS, Topic
from events.uuid7 import uuid7
from pentest.evidence import Evidence, Probes
from stack import bao
from stack.settings import SERVICES
from support import bus
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine
from support.tree import REPO

PRINCIPALS = (*SERVICES, "gateway", "keeper", "prometheus", "postgres", "openbao")
EXAMPLES = REPO / "libs" / "events" / "events" / "examples"
ACCESS = [topic for topic in TOPICS.values() if AccessEvent.__name__ in topic.events]


@pytest.fixture(autouse=True, scope="module")
def _served(evidence: Evidence) -> None:
    assert events.__path__
    evidence.serves("topic", list(TOPICS))


def _options(stack: Machine, identity: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": f"127.0.0.1:{stack.port_of('kafka')}",
        "security_protocol": "SSL",
        "ssl_context": bao.tls(stack.stack, identity),
        "request_timeout_ms": 10_000,
    }


@asynccontextmanager
async def _producer(stack: Machine, identity: str) -> AsyncIterator[AIOKafkaProducer]:
    one = AIOKafkaProducer(**_options(stack, identity), acks="all", max_request_size=8_000_000)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def _consumer(stack: Machine, identity: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    one = AIOKafkaConsumer(
        **_options(stack, identity), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def example(kind: str, **changes: Any) -> dict[str, Any]:
    """The golden example of an event, with other values."""
    known: dict[str, Any] = json.loads((EXAMPLES / f"{kind}.v1.json").read_text())
    return {**known, **changes}


def access(service: str, client: UUID, **changes: Any) -> dict[str, Any]:
    """An access event of `service` that its schema accepts: as old as its id says."""
    now = datetime.now(UTC)
    told = {"event_id": str(uuid7(now)), "occurred_at": rfc3339(now), "service": service, "client_id": str(client)}
    return example("AccessEvent", **told, **changes)


async def _send(
    stack: Machine, service: str, topic: str, *values: dict[str, Any] | bytes, key: bytes, **more: Any
) -> list[RecordMetadata]:
    """Where each of them was put."""
    async with _producer(stack, service) as one:
        raws = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        return [await one.send_and_wait(topic, raw, key=key, **more) for raw in raws]


async def stored(stack: Machine, *ids: str) -> list[dict[str, Any]]:
    """What the log holds under these event ids, for whichever client."""
    async with superuser(stack, "audit") as connection:
        rows = await connection.fetch(
            "SELECT event_id::text, client_id::text, service, action, ip FROM access_event WHERE event_id = ANY($1)",
            [UUID(one) for one in ids],
        )
    return [dict(row) for row in rows]


async def await_stored(stack: Machine, event_id: str, within: float = 60) -> list[dict[str, Any]]:
    end = time.monotonic() + within
    rows: list[dict[str, Any]] = []
    while time.monotonic() < end:
        rows = await stored(stack, event_id)
        if rows:
            break
        await asyncio.sleep(0.1)
    return rows


async def _by_its_owner(stack: Machine, topic: Topic) -> tuple[RecordMetadata, bytes]:
    """A record as the topic's one writer writes it, and where it was put. Of dead letters there is no example."""
    client = str(uuid7())
    kind = "Heartbeat" if "Heartbeat" in topic.events else next(iter(topic.events), None)
    value = (
        access(topic.owner, UUID(client)) if kind == "AccessEvent" else example(kind) if kind else {"letter": client}
    )
    if "client_id" in value:
        value["client_id"] = client
    key = b"heartbeat" if kind == "Heartbeat" else client.encode()
    (placed,) = await _send(stack, topic.owner, topic.name, value, key=key)
    return placed, json.dumps(value).encode()


async def _read(one: AIOKafkaConsumer, placed: RecordMetadata) -> bytes | None:
    """The record at that place; None when the broker says no: of the topic, or to its writer, who may not read back."""
    place = TopicPartition(placed.topic, placed.partition)
    one.assign([place])
    one.seek(place, placed.offset)
    try:
        for _ in range(200):
            for record in (await one.getmany(place, timeout_ms=50)).get(place, ()):
                return bytes(record.value)
            if placed.topic in one._client.cluster.unauthorized_topics:
                return None
    except TopicAuthorizationFailedError:
        return None
    finally:
        one.unsubscribe()
    return b"neither the record nor a refusal"


async def test_writing_as_another(stack: Machine, probes: Probes) -> None:
    """Each topic has one writer."""
    for principal in PRINCIPALS:
        async with _producer(stack, principal) as one:
            for topic in TOPICS.values():
                if principal == topic.owner:
                    continue
                refused = ""
                try:
                    await one.send_and_wait(topic.name, b"forged", key=b"k")
                except TopicAuthorizationFailedError as error:
                    refused = type(error).__name__
                probes.denied("writing another's topic", bool(refused), f"as {principal}", topic=topic.name)
    for topic in TOPICS.values():
        placed, value = await _by_its_owner(stack, topic)
        async with _consumer(stack, topic.readers[0]) as one:
            probes.allowed("its owner writes it", await _read(one, placed) == value, placed, on=topic.name)


async def test_reading_as_another(stack: Machine, probes: Probes) -> None:
    written = {topic.name: await _by_its_owner(stack, topic) for topic in TOPICS.values()}
    for principal in PRINCIPALS:
        async with _consumer(stack, principal) as one:
            for topic in TOPICS.values():
                placed, value = written[topic.name]
                read = await _read(one, placed)
                if principal in topic.readers:
                    probes.allowed("its reader reads it", read == value, read, on=f"{topic.name} as {principal}")
                else:
                    probes.denied("reading another's topic", read is None, f"as {principal}: {read}", topic=topic.name)


async def test_joining_anothers_group(stack: Machine, probes: Probes) -> None:
    """A hijacked group would take partitions away from the log: its events would be nobody's."""
    place = TopicPartition("auth.revocations", 0)
    for principal in PRINCIPALS:
        for owner in SERVICES:
            refused = False
            try:
                async with _consumer(stack, principal, f"{owner}.pentest") as one:
                    one.subscribe([place.topic])
                    joined = await asyncio.wait_for(one.getone(), 20)
                    await one.commit({place: joined.offset})
            except GroupAuthorizationFailedError:
                refused = True
            told = f"{principal} in {owner}'s"
            if principal == owner:
                probes.allowed("a group of one's own", not refused, told)
            else:
                probes.denied("joining another's group", refused, told, topic=place.topic)


async def test_topics_that_nobody_declared(stack: Machine, probes: Probes) -> None:
    for principal in SERVICES:
        async with _producer(stack, principal) as one:
            refused = False
            try:
                await asyncio.wait_for(one.send_and_wait(f"access.{principal}.shadow", b"x"), 10)
            except TopicAuthorizationFailedError:
                refused = True
            probes.denied("a topic made by asking", refused, principal)
    async with _producer(stack, "auth") as one:
        sent = await one.send_and_wait("auth.revocations", json.dumps(example("Heartbeat")).encode(), key=b"heartbeat")
        probes.allowed("a declared one takes it", sent.offset >= 0)


@pytest.mark.parametrize("topic", ACCESS, ids=lambda topic: topic.name)
async def test_what_does_not_fit_its_record(
    stack: Machine, topic: Topic, heron: Hotel, otter: Hotel, probes: Probes
) -> None:
    """Another service's name, another client than the key's, no schema's: to the dead letters, and never into a log."""
    service, victim, key = topic.owner, heron.client_id, str(otter.client_id).encode()
    other = next(name for name in SERVICES if name != service)
    lies: dict[str, dict[str, Any] | bytes] = {
        "another service's name": access(other, otter.client_id),
        "another client than the record's key": access(service, victim),
        "a field that no schema knows": access(service, otter.client_id, admin=True),
        "an action that does not exist": access(service, otter.client_id, action="guest:steal"),
        "a client that is no id": {**access(service, otter.client_id), "client_id": "*"},
        "another version": access(service, otter.client_id, version=99),
        "no JSON": b"\xff\xfe not json",
        "nothing": b"",
        "a salt of no length": access(service, otter.client_id, salt=""),
    }
    good, key_of_none = access(service, otter.client_id), "a record's key that is no text"
    # All in one partition: what stands behind them is stored only when they have not stopped it.
    placed = await _send(stack, service, topic.name, *lies.values(), key=key, partition=0)
    lies[key_of_none] = access(service, victim)
    placed += await _send(stack, service, topic.name, lies[key_of_none], key=b"\xff\xfe\xfd", partition=0)
    await _send(stack, service, topic.name, good, key=key, partition=0)
    rows = await await_stored(stack, good["event_id"])
    probes.allowed("the next good event is stored", len(rows) == 1, rows, on=topic.name)
    for (case, lie), place in zip(lies.items(), placed, strict=True):
        rows = await stored(stack, lie["event_id"]) if isinstance(lie, dict) else []
        probes.denied(case, rows == [], rows, topic=topic.name)
        letter = await _dead_letter(stack, topic, f"{place.topic}/{place.partition}/{place.offset}")
        is_whole = letter.value == (lie if isinstance(lie, bytes) else json.dumps(lie).encode())
        probes.denied("a bent event is buried whole, not lost", is_whole, letter, topic=f"{topic.name}.dlq")


async def _dead_letter(stack: Machine, topic: Topic, origin: str) -> ConsumerRecord:
    return await bus.await_record(
        stack, "audit", f"{topic.name}.dlq", lambda one: dict(one.headers).get("origin") == origin.encode(), within=60
    )


async def test_headers_name_nobody(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    event = access("tenant_data", otter.client_id)
    headers = [(name, str(heron.client_id).encode()) for name in ("client_id", "x-client-id", "tenant", "service")]
    await _send(stack, "tenant_data", "access.tenant_data", event, key=str(otter.client_id).encode(), headers=headers)
    rows = await await_stored(stack, event["event_id"])
    mine = [row["client_id"] for row in rows] == [str(otter.client_id)]
    probes.denied("another client in a header", mine, rows, topic="access.tenant_data")
    theirs = heron.admin.get(f"/v1/access-events/{event['event_id']}")
    probes.denied("the other's log", theirs.status_code == 404, theirs.text, topic="access.tenant_data")
    own = otter.admin.get(f"/v1/access-events/{event['event_id']}")
    probes.allowed("one's own log has it", own.status_code == 200, own.text)


async def test_sent_again(stack: Machine, otter: Hotel, probes: Probes) -> None:
    """The same event five times, then changed, then by another service: one entry, the first."""
    event = access("tenant_data", otter.client_id, ip="192.0.2.1")
    key = str(otter.client_id).encode()
    await _send(stack, "tenant_data", "access.tenant_data", *[event] * 5, key=key)
    first = await await_stored(stack, event["event_id"])
    probes.allowed("it is stored", len(first) == 1, first)
    changed = {**event, "ip": "192.0.2.99", "action": "guest:delete"}
    later = access("tenant_data", otter.client_id)
    await _send(stack, "tenant_data", "access.tenant_data", changed, later, key=key)
    await _send(stack, "auth", "access.auth", {**event, "service": "auth"}, key=key)
    probes.allowed("what came after it is stored", len(await await_stored(stack, later["event_id"])) == 1)
    now = await stored(stack, event["event_id"])
    probes.denied("replayed, changed, or by another", now == first, f"{first} became {now}", topic="access.tenant_data")


async def test_too_large(stack: Machine, otter: Hotel, probes: Probes) -> None:
    key = str(otter.client_id).encode()
    for topic in TOPICS.values():
        size = 2_200_000 if topic.name.endswith(".dlq") else 1_100_000
        refused = False
        try:
            await _send(stack, topic.owner, topic.name, b"x" * size, key=key)
        except KafkaError as error:
            refused = type(error).__name__ in ("MessageSizeTooLargeError", "RecordTooLargeError", "InvalidMessageError")
        probes.denied("a record too large to carry", refused, topic=topic.name)
    large = access("tenant_data", otter.client_id, user_agent="x" * 256)
    await _send(stack, "tenant_data", "access.tenant_data", large, key=key)
    probes.allowed("one that fits", len(await await_stored(stack, large["event_id"])) == 1)
