"""04.4, invariant 6: an event that comes again is no fault: its sender, who missed the first word, is told again."""

from datetime import UTC, datetime

from aiokafka.structs import ConsumerRecord

from events.access import AccessEvent, Action, Actor, new_salt
from events.stored import Stored
from events.uuid7 import uuid7
from support.bus import await_record, send
from support.machine import Machine


async def test_each_time_it_comes(stack: Machine) -> None:
    now = datetime.now(UTC)
    sent = AccessEvent(
        event_id=uuid7(now), occurred_at=now, service="tenant_data", client_id=uuid7(now),
        actor=Actor(type="user", id="test", label="test"), action=Action.GUEST_LIST, ip="203.0.113.7",
        request_id="test", salt=new_salt(),
    )  # fmt: skip
    told: set[int] = set()

    def is_told(times: int, record: ConsumerRecord) -> bool:
        if sent.event_id in Stored.model_validate_json(record.value).event_ids:
            told.add(record.offset)
        return len(told) >= times

    for times in (1, 2):
        await send(stack, "tenant_data", "access.tenant_data", sent.payload().encode(), key=str(sent.client_id))
        told.clear()
        await await_record(stack, "tenant_data", "audit.stored", lambda record, n=times: is_told(n, record))
