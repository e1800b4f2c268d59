"""Both zones held against the database, hour by hour: what differs is counted, healed, or swept when nobody owns it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.database import Pool
from recording_storage import healing
from recording_storage.healer import Healer, Wounded
from recording_storage.healing import Difference, Expected
from recording_storage.holder import Away
from recording_storage.store import zone as store
from recording_storage.zone import Zones

_PAGE = 500
# How old what nobody owns must be to be swept: a day, for whoever restores a database that is older than its zones.
_ORPHANED = timedelta(days=1)
_DEBRIS = timedelta(hours=1)  # half-written files of processes that were killed
_NONE = UUID(int=0)

_log = logging.getLogger("recording_storage.comparison")
compared_at = Gauge("konci_zone_compared_seconds", "Unix time at which both zones were last compared to the end")


async def run(jobs: Pool, zones: Zones, healer: Healer, wounded: Wounded, every_seconds: float) -> None:
    """Compares until cancelled; a zone or the database away is waited for."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            found = await compare(jobs, zones, healer, wounded, datetime.now(UTC) - _ORPHANED)
            await zones.clear_debris(_DEBRIS)
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("comparison waits", extra={"error": type(failed).__name__})
        else:
            if found:
                _log.warning("the zones differed", extra={"count": len(found)})


async def compare(
    jobs: Pool, zones: Zones, healer: Healer, wounded: Wounded, orphaned_before: datetime
) -> list[Difference]:
    """What differs; it is healed after this, and what nobody owns is erased. Raises Unavailable."""
    found: list[Difference] = []
    async for difference in healing.differences(zones, _expected(jobs), healer.is_known, orphaned_before):
        if len(found) < _PAGE:  # to be told; each is counted
            found.append(difference)
        if difference.kind in {"missing", "length"}:
            wounded.note(difference.zone, difference.path, "missing")
    try:
        await healing.sweep(zones, healer.is_known, orphaned_before)
    except Away:
        # What cannot be listed is not swept, and is told as a difference. The rest was compared all the same.
        if not all([await zones.answers(name) for name in zones.names]):
            raise
    compared_at.set_to_current_time()
    return found


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
