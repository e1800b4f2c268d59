"""A glance: what a password is compared with, read in a transaction that is over before the hash begins (ADR 13).

A hash takes a tenth of a second, and seconds where many wait: no transaction stays open for it. Nothing is answered
by a glance, so it has no event of its own. Whoever glances opens the door next, asks there whether what was seen still
holds, and tells the log what came of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from events.access import Action
from events.uuid7 import uuid7
from guard import tenant
from guard.access import Access, Door
from guard.identity import Caller


@asynccontextmanager
async def glance(door: Door, caller: Caller, action: Action) -> AsyncIterator[Access]:
    """What `door.open(caller, action)` would show, without the event. Raises Unavailable as that does."""
    now = door.clock.now()
    async with tenant.transaction(door.pools.request, caller, door.seal_key) as connection:
        yield Access(door, connection, caller, action, now, uuid7(now))
