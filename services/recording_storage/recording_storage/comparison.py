"""Both zones held against the database, hour by hour: what differs is counted, healed, or swept when nobody owns it.

Only what nobody has owned for a day is swept, whatever its age: to an older database than its zones, recordings of days
have no owner, and whoever restored it by mistake has that day to bring back the right one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.clock import Clock
from guard.database import Pool
from recording_storage import healing
from recording_storage.healer import Healer, Wounded
from recording_storage.healing import Difference, Expected
from recording_storage.store import orphan as orphan_store
from recording_storage.store import zone as store
from recording_storage.zone import Zones

_PAGE = 500
_ORPHANED = timedelta(days=1)  # for so long nobody has owned what is swept
_LATE = timedelta(hours=2)  # of a comparison: one that takes its time, or waits for a zone
_DEBRIS = timedelta(hours=1)  # half-written files of processes that were killed
_NONE = UUID(int=0)

_log = logging.getLogger("recording_storage.comparison")
compared_at = Gauge("konci_zone_compared_seconds", "Unix time at which both zones were last compared to the end")


@dataclass(frozen=True, slots=True)
class Grace:
    """How long nobody must have owned what is swept; `unseen`: what was not found so for so long begins anew.

    A database that is restored may hold its orphans of days ago: they count from its next comparison.
    """

    clock: Clock
    orphaned: timedelta
    unseen: timedelta


async def run(
    jobs: Pool, zones: Zones, healer: Healer, wounded: Wounded, every_seconds: float, *, clock: Clock
) -> None:
    """Compares until cancelled; a zone or the database away is waited for."""
    grace = Grace(clock, _ORPHANED, timedelta(seconds=every_seconds) + _LATE)
    while True:
        await asyncio.sleep(every_seconds)
        try:
            found = await compare(jobs, zones, healer, wounded, grace)
            await zones.clear_debris(_DEBRIS)
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("comparison waits", extra={"error": type(failed).__name__})
        else:
            if found:
                _log.warning("the zones differed", extra={"count": len(found)})


async def compare(jobs: Pool, zones: Zones, healer: Healer, wounded: Wounded, grace: Grace) -> list[Difference]:
    """What differs; it is healed after this, and what nobody has owned for long is erased. Raises Unavailable."""
    found: list[Difference] = []
    began, is_whole = grace.clock.now(), True
    async for difference in healing.differences(zones, _expected(jobs), healer.is_recording, healer.is_known):
        if len(found) < _PAGE:  # to be told; each is counted
            found.append(difference)
        if difference.kind in {"missing", "length"}:
            wounded.note(difference.zone, difference.path, "missing")
        if difference.kind == "orphan":
            await _note(jobs, difference.path, grace)
        is_whole = is_whole and difference.kind != "unreadable"
    if is_whole:  # else what it did not come to would begin its day anew
        async with database.translate(), jobs.acquire() as connection:
            await orphan_store.forget(connection, began)
    erased = await healing.sweep(zones, healer.is_known, _due(jobs, began, grace))
    if erased:
        _log.warning("erased what nobody owned", extra={"count": erased})
    compared_at.set_to_current_time()
    return found


async def _note(jobs: Pool, prefix: str, grace: Grace) -> None:
    client_id, recording_id = map(UUID, prefix.split("/"))
    now = grace.clock.now()
    async with database.translate(), jobs.acquire() as connection:
        await orphan_store.note(connection, client_id, recording_id, now, now - grace.unseen)


async def _due(jobs: Pool, began: datetime, grace: Grace) -> AsyncIterator[tuple[UUID, UUID]]:
    after = (_NONE, _NONE)
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await orphan_store.due(connection, began - grace.orphaned, began, after, _PAGE)
        for row in rows:
            after = row["client_id"], row["recording_id"]
            yield after
        if len(rows) < _PAGE:
            return


async def _expected(jobs: Pool) -> AsyncIterator[Expected]:
    after = (_NONE, _NONE)
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await store.expected(connection, after, _PAGE)
        for row in rows:
            yield Expected(row["client_id"], row["recording_id"], row["bytes"])
            after = row["client_id"], row["recording_id"]
        if len(rows) < _PAGE:
            return
