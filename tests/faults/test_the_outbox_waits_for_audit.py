"""04.4, invariant 6: an event leaves its sender when audit has stored it, and not when Kafka has taken it.

So a broker whose disk is wiped loses nothing: what nobody confirms is sent again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from events.access import Action
from events.uuid7 import uuid7
from support.database import superuser
from support.machine import Machine
from support.workload import caller, door


async def _access(stack: Machine) -> UUID:
    """An access of a client, committed with its event; the event's id. The service's own relay sends it."""
    async with door(stack, "tenant_data") as opened, opened.entry().open(caller(uuid7()), Action.GUEST_LIST) as access:
        access.touch_none()
    return access.event_id


async def _sends(stack: Machine, event_id: UUID) -> int | None:
    async with superuser(stack, "tenant_data") as connection:
        sends: int | None = await connection.fetchval("SELECT sends FROM guard.outbox WHERE event_id = $1", event_id)
        return sends


async def _until(holds: Callable[[int | None], bool], sends: Callable[[], Awaitable[int | None]], what: str) -> None:
    end = time.monotonic() + 30
    while not holds(await sends()):
        assert time.monotonic() < end, f"{what} within 30 s"
        await asyncio.sleep(0.2)


async def test_sent_again_until_it_is_stored_and_gone_then(stack: Machine) -> None:
    stack.stop("audit")
    try:
        event_id = await _access(stack)

        async def sends() -> int | None:
            found = await _sends(stack, event_id)
            assert found is not None, "the outbox let go of an event that audit has not stored"
            return found

        await _until(lambda times: times == 1, sends, "it was not sent")
        await _until(lambda times: times is not None and times >= 2, sends, "it was not sent again")
    finally:
        stack.start("audit")
    await _until(lambda times: times is None, lambda: _sends(stack, event_id), "the confirmed event was not let go")
    async with superuser(stack, "audit") as connection:
        assert await connection.fetchval("SELECT count(*) FROM access_event WHERE event_id = $1", event_id) == 1
