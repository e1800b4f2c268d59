"""Deletes recordings that are due: their time is over, or their call is gone. A hold is stronger than each.

Who has some is asked as the job role, which sees no content; each deletion then goes through the door of its own
client, so that it stands in that client's log like anybody else's. Never across clients in one transaction.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from uuid import UUID

from asyncpg import Record
from prometheus_client import Gauge

from events.access import Action
from guard import database
from guard.access import Access, Door
from recording_storage import removal
from recording_storage.paging import by_client
from recording_storage.store import call as call_store
from recording_storage.store import retention as store

BATCH = 500  # recordings in one transaction and its event, which names at most 1000 resources
CALLS = 500  # deleted calls that are looked at at once

Lock = Callable[[Access, int], Awaitable[Sequence[Record]]]
# A guest's erasure deletes its calls, and it is those that count; the rule says what ended them.
RULES: Mapping[str, bool] = MappingProxyType({"guest erased": True, "call deleted": False})
overdue = Gauge("konci_recording_overdue", "Recordings that are there and whose time is over")


class _NothingDue(Exception):
    """Somebody else has them: what is not there is no access, and leaves no entry."""


async def sweep_expired(door: Door) -> int:
    """Destroys the keys of all whose time is over by the door's clock; how many. Raises Unavailable."""
    now = door.clock.now()
    async with database.translate(), door.pools.job.acquire() as connection:
        due = await store.clients_with_expired(connection, now)
    deleted = sum([await _sweep_client(door, row["client_id"], "retention", store.lock_expired) for row in due])
    async with database.translate(), door.pools.job.acquire() as connection:
        overdue.set(await store.count_overdue(connection, now))
    return deleted


async def sweep_deleted(door: Door) -> int:
    """Destroys the keys of all whose call is gone; how many. Raises Unavailable."""
    deleted = 0
    async for client_id, call_ids in by_client(door.pools.job, call_store.open_calls, CALLS):
        for rule, of_erased_guests in RULES.items():
            lock = partial(store.lock_of_deleted_calls, call_ids=call_ids, of_erased_guests=of_erased_guests)
            deleted += await _sweep_client(door, client_id, rule, lock)
        async with database.translate(), door.pools.job.acquire() as connection, connection.transaction():
            await call_store.settle_calls(connection, client_id, call_ids)
    return deleted


async def _sweep_client(door: Door, client_id: UUID, rule: str, lock: Lock) -> int:
    total = 0
    while True:
        deleted = await _sweep_batch(door, client_id, rule, lock)
        total += deleted
        if deleted < BATCH:
            return total


async def _sweep_batch(door: Door, client_id: UUID, rule: str, lock: Lock) -> int:
    caller = door.service_caller(client_id, reason=rule)
    try:
        async with door.entry().open(caller, Action.RECORDING_DELETE) as access:
            rows = await lock(access, BATCH)
            if not rows:
                raise _NothingDue
            await removal.destroy(access, {row["recording_id"]: row["guest_id"] for row in rows}, rule)
    except _NothingDue:
        return 0
    return len(rows)
