"""What a service may do wrong on its own topic, and a crowd to a consumer group: sent as those principals."""

import asyncio
import random
import time
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from events.access import AccessEvent, Action, Actor, Outcome, Resource, new_salt
from events.topic import TOPICS
from events.uuid7 import uuid7
from guard.patience import within
from soak.broker import PURPOSE, ended
from soak.stage import Stage
from support.bus import kafka
from support.hotel import Hotel

_TOPIC = "access.tenant_data"
_COPIES = 5
_SETTLES = 60.0  # seconds until the group has no lag and everything is stored
_PATIENCE = 20.0


def _event(stage: Stage, hotel: Hotel) -> tuple[int, AccessEvent]:
    """An access event as tenant_data would send it, in the ledger as an attempt."""
    guest = stage.guests[hotel.name].known[0]["id"]
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    number = stage.ledger.asks(
        str(hotel.client_id), hotel.agent.user_id, Action.GUEST_READ.value, resources=(("guest", guest),)
    )
    event = AccessEvent(
        event_id=uuid7(now), occurred_at=now, service="tenant_data", client_id=hotel.client_id,
        actor=Actor(type="user", id=hotel.agent.user_id, label="agent"), action=Action.GUEST_READ,
        resources=(Resource(type="guest", id=guest),), ip="127.0.0.1", user_agent=f"soak/{number}",
        outcome=Outcome.ALLOWED, request_id=f"soak-{number}", salt=new_salt(),
    )  # fmt: skip
    return number, event


async def _sent(stage: Stage, records: list[tuple[bytes, bytes]], name: str) -> None:
    """As tenant_data's principal, all acknowledged, each at a place of its own: else it was not sent so often."""
    producer: AIOKafkaProducer = kafka(stage.stack, "tenant_data").producer()
    await within(_PATIENCE, producer.start())
    try:
        sends = [await producer.send(_TOPIC, value, key=key) for key, value in records]
        placed = await within(_SETTLES, asyncio.gather(*sends))
    finally:
        await ended(stage, producer)
    if len({(one.partition, one.offset) for one in placed}) != len(records):
        stage.finds(f"{name}: fewer records are on the topic than were sent")


def _made(stage: Stage, count: int, chance: random.Random) -> list[tuple[int, AccessEvent]]:
    return [_event(stage, chance.choice(stage.hotels)) for _ in range(count)]


def _record(event: AccessEvent) -> tuple[bytes, bytes]:
    return str(event.client_id).encode(), event.payload().encode()


def _acknowledged(stage: Stage, made: list[tuple[int, AccessEvent]]) -> None:
    # No status: the bus is not HTTP. The acknowledgement names the event, and from now on it must be in the log.
    for number, event in made:
        stage.ledger.told(number, 0, str(event.event_id), event.request_id)


async def duplicates(stage: Stage) -> dict[str, object]:
    """The same events five times each, in any order."""
    chance = random.Random(f"{stage.plan.seed} duplicates")
    made = _made(stage, stage.plan.sizes.duplicates, chance)
    records = [_record(event) for _, event in made] * _COPIES
    chance.shuffle(records)
    await _sent(stage, records, "duplicates")
    _acknowledged(stage, made)
    return {"events": len(made), "sent": len(records), "lag_0_after": await _settled(stage, "duplicates")}


def _poisons(stage: Stage, count: int, chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Records that audit can never store, each wrong in its own way."""
    made = []
    for place in range(count):
        hotel = chance.choice(stage.hotels)
        number, event = _event(stage, hotel)
        stage.ledger.told(number, 0, None, None)  # it may never be stored
        key, value = _record(event)
        mark = f"soak-poison-{stage.plan.seed}-{place}".encode()
        wrong = [
            (key, b"{" + mark),
            (key, b"\xff\xfe" + mark),
            (key, value.replace(b'"version":1', b'"version":99').replace(b'"request_id":"', b'"request_id":"' + mark)),
            (key, value.replace(b'"tenant_data"', b'"auth"').replace(b'"request_id":"', b'"request_id":"' + mark)),
            (b"nobody", value.replace(b'"request_id":"', b'"request_id":"' + mark)),
        ]
        made.append(wrong[place % len(wrong)])
    return made


async def poison(stage: Stage) -> dict[str, object]:
    """Unreadable records among good ones: they alone are buried, with cause and origin."""
    sizes, chance = stage.plan.sizes, random.Random(f"{stage.plan.seed} poison")
    made = _made(stage, sizes.beside_poison, chance)
    records = [_record(event) for _, event in made] + _poisons(stage, sizes.poison, chance)
    chance.shuffle(records)
    await _sent(stage, records, "poison")
    _acknowledged(stage, made)
    settled = await _settled(stage, "poison")
    buried = await _buried(stage)
    if len(buried) != sizes.poison:
        stage.finds(f"poison: {len(buried)} of {sizes.poison} are dead letters")
    nameless = [value for value, headers in buried.items() if not {"origin", "cause"} <= headers]
    if nameless:
        stage.finds(f"poison: {len(nameless)} dead letters without origin or cause")
    return {"records": len(records), "dead_letters": len(buried), "lag_0_after": settled}


async def _buried(stage: Stage) -> dict[bytes, set[str]]:
    """This run's dead letters, with the names of their headers."""
    mark = f"soak-poison-{stage.plan.seed}-".encode()
    reader = kafka(stage.stack, "audit").reader()
    await within(_PATIENCE, reader.start())
    try:
        place = TopicPartition(f"{_TOPIC}.dlq", 0)
        reader.assign([place])
        await reader.seek_to_beginning()
        end = (await within(_PATIENCE, reader.end_offsets([place])))[place]
        found: dict[bytes, set[str]] = {}
        while await within(_PATIENCE, reader.position(place)) < end:
            for records in (await within(_PATIENCE, reader.getmany(timeout_ms=500))).values():
                for record in records:
                    if mark in record.value:
                        found[record.value] = {name for name, value in record.headers if value}
        return found
    finally:
        await ended(stage, reader)


async def _settled(stage: Stage, name: str) -> float | None:
    """Seconds until audit's group has read all that is on the topic now."""
    began = time.monotonic()
    reader = kafka(stage.stack, "audit").consumer([], PURPOSE)  # assigned by hand: it asks, and is no member
    await within(_PATIENCE, reader.start())
    try:
        places = [TopicPartition(_TOPIC, number) for number in range(TOPICS[_TOPIC].partitions)]
        reader.assign(places)
        ends = await within(_PATIENCE, reader.end_offsets(places))
        while time.monotonic() - began < _SETTLES:
            read = [await within(_PATIENCE, reader.committed(place)) or 0 for place in places]
            if all(at >= ends[place] for at, place in zip(read, places, strict=True)):
                return round(time.monotonic() - began, 1)
            await asyncio.sleep(0.2)
    finally:
        await ended(stage, reader)
    stage.finds(f"{name}: lag is not 0 within {_SETTLES:g} s")
    return None


async def storm(stage: Stage) -> dict[str, object]:
    """Members join audit's group and leave it again, each time with partitions; none of them commits anything."""
    sizes = stage.plan.sizes
    began, joined, moved = time.monotonic(), 0, 0
    for turn in range(sizes.joins):
        member = kafka(stage.stack, "audit").consumer([_TOPIC], PURPOSE)
        try:
            await within(_PATIENCE, member.start())
            await within(_PATIENCE, member.getmany(timeout_ms=300))
            joined += 1
            moved += len(member.assignment())
        except (KafkaError, OSError, TimeoutError) as away:
            stage.say(f"storm: a member did not join ({type(away).__name__})")
        finally:
            await ended(stage, member)
        await asyncio.sleep(max(0.0, began + (turn + 1) * sizes.storm_seconds / sizes.joins - time.monotonic()))
    if joined < sizes.joins * 0.9:
        stage.finds(f"rebalance storm: only {joined} of {sizes.joins} joined")
    if moved < joined:
        stage.finds(f"rebalance storm: {joined} members were given {moved} partitions")
    return {"joins": joined, "partitions_moved": moved}
