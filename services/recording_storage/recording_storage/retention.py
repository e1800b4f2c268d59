"""Deletes recordings that are due: their time is over, or their call or guest is gone. A hold is stronger than each.

Who has some is asked as the job role, which sees no content; each deletion then goes through the door of its own
client, so that it stands in that client's log like anybody else's. Never across clients in one transaction.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from asyncpg import Record
from prometheus_client import Gauge

from events.access import Action
from guard import database
from guard.access import Access, Door
from recording_storage import removal
from recording_storage.store import retention as store

BATCH = 500  # recordings in one transaction and its event, which names at most 1000 resources
# An erased guest's calls are told one by one, and it is those that count. This is for what was not told: later than a
# call that moved to another guest just before may be told, for that call's recordings are not this guest's any more.
GUEST_GRACE = 300.0  # seconds

Lock = Callable[[Access, int, float], Awaitable[Sequence[Record]]]
RULES: Mapping[str, Lock] = MappingProxyType(
    {
        "retention": store.lock_expired,
        "call deleted": store.lock_of_deleted_calls,
        "guest erased": store.lock_of_erased_guests,
    }
)
overdue = Gauge("konci_recording_overdue", "Recordings that are there and whose time is over")


async def sweep(door: Door) -> int:
    """Destroys the keys of all that is due by the door's clock; how many. Raises Unavailable."""
    now = door.clock.now()
    async with database.translate(), door.pools.job.acquire() as connection:
        due = await store.due(connection, now, GUEST_GRACE)
    deleted = sum([await _sweep_client(door, row["client_id"], row["rule"]) for row in due])
    async with database.translate(), door.pools.job.acquire() as connection:
        overdue.set(await store.count_overdue(connection, now))
    return deleted


async def _sweep_client(door: Door, client_id: UUID, rule: str) -> int:
    caller = door.service_caller(client_id, reason=rule)
    total = 0
    while True:
        async with door.entry().open(caller, Action.RECORDING_DELETE) as access:
            rows = await RULES[rule](access, BATCH, GUEST_GRACE)
            access.touch_none()
            await removal.destroy(access, {row["recording_id"]: row["guest_id"] for row in rows}, rule)
        total += len(rows)
        if len(rows) < BATCH:
            return total
