"""Audit's ingest (Kafka to committed rows) against the same batches inserted bare into the same indexed tables."""

import asyncio
import secrets
import time
from uuid import UUID

from audit import store
from events.access import AccessEvent, Action, Actor, Outcome, Resource, new_salt
from events.uuid7 import uuid7
from guard.clock import Clock
from performance.figure import Figure
from performance.load import middle
from performance.stage import drained
from support.bus import kafka
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine

EVENTS = 30_000
BATCH = 500  # guard.inbox takes as many at once
ROUNDS = 3
_REST = 3.0  # seconds between a backlog and the bare statements
_LOOK = 0.5  # seconds between two counts, each of which reads the index through


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """In turn: a backlog on the bus that audit, started anew, works off; the like by bare statements."""
    ratios, rates = [], []
    for _ in range(ROUNDS):
        ingested = await _ingest(stack, hotel)
        await drained(stack)
        await asyncio.sleep(_REST)  # the confirmations are on the bus, and the services work them off
        bare = await _bare(stack, hotel)
        ratios.append(ingested / bare)
        rates.append((ingested, bare))
    return Figure(
        "audit ingest against bare inserts", middle(ratios), 0.3,
        f"median of {ROUNDS} rounds of {EVENTS} events: Kafka to committed rows"
        f" {middle([rate for rate, _ in rates]):.0f}/s, the same batches of {BATCH} inserted bare"
        f" {middle([rate for _, rate in rates]):.0f}/s",
        series={"ingest": [rate for rate, _ in rates], "bare": [rate for _, rate in rates]},
    )  # fmt: skip


def _events(client_id: UUID, count: int) -> list[AccessEvent]:
    now, guest = Clock().now(), uuid7()
    return [
        AccessEvent(
            event_id=uuid7(now), occurred_at=now, service="tenant_data", client_id=client_id,
            actor=Actor(type="user", id=str(guest), label="agent"), action=Action.GUEST_READ,
            resources=(Resource(type="guest", id=str(uuid7(now))),), guest_id=guest, ip="127.0.0.1", user_agent="bench",
            outcome=Outcome.ALLOWED, reason=None, request_id=secrets.token_hex(8), trace_id=None, salt=new_salt(),
        )
        for _ in range(count)
    ]  # fmt: skip


async def _ingest(stack: Machine, hotel: Hotel) -> float:
    """Rows a second between the first tenth and the last, so that the start of the process is not measured."""
    await asyncio.to_thread(stack.stop, "audit")
    producer = kafka(stack, "tenant_data").producer()
    await producer.start()
    try:
        key = str(hotel.client_id).encode()
        sent = [
            await producer.send("access.tenant_data", event.payload().encode(), key=key)
            for event in _events(hotel.client_id, EVENTS)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    async with superuser(stack, "audit") as connection:
        counted = "SELECT count(*) FROM access_event WHERE client_id = $1"
        before = await connection.fetchval(counted, hotel.client_id)
        await asyncio.to_thread(stack.start, "audit")
        marks: list[tuple[float, int]] = []
        end = time.monotonic() + 120
        while not marks or marks[-1][1] < EVENTS:
            assert time.monotonic() < end, f"{marks[-1][1]} of {EVENTS} events were stored within 120 s"
            marks.append((time.perf_counter(), await connection.fetchval(counted, hotel.client_id) - before))
            await asyncio.sleep(_LOOK)
    inside = [(at, count) for at, count in marks if EVENTS * 0.1 <= count <= EVENTS * 0.9]
    (began, first), (ended, last) = inside[0], inside[-1]
    return (last - first) / (ended - began)


async def _bare(stack: Machine, hotel: Hotel) -> float:
    """The same statement with the same rows, a transaction for each batch, and nothing else."""
    events = _events(hotel.client_id, EVENTS // 3)
    batches = [events[at : at + BATCH] for at in range(0, len(events), BATCH)]
    async with superuser(stack, "audit") as connection:
        began = time.perf_counter()
        for batch in batches:
            await store.insert_events(connection, batch)
        return len(events) / (time.perf_counter() - began)
