"""The zones' first day: marked once, when this service begins, and never again by itself (a lost zone is a runbook).

Zones with the mark of another database are never taken, whatever this one knows: it may be empty by mistake.
"""

import asyncio
import logging

import asyncpg

from guard import database, errors
from guard.database import Pool
from recording_storage.holder import Away
from recording_storage.store import zone as store
from recording_storage.zone import Zones

_AGAIN = 1.0  # seconds, while the database is away
_WATCH = 10.0  # seconds between two looks at zones that nobody calls

_log = logging.getLogger("recording_storage.adoption")


async def run(jobs: Pool, zones: Zones) -> None:
    """Takes the zones into use if they never were, and looks after them, until cancelled."""
    while True:
        pause = _WATCH
        try:
            await prepare(jobs, zones)  # each time: a database can be restored under a running process
        except Away:
            pass  # which one, and why, is in the log
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("the zones wait", extra={"error": type(failed).__name__})
            pause = _AGAIN
        await zones.look()
        await asyncio.sleep(pause)


async def prepare(jobs: Pool, zones: Zones) -> None:
    """Tells the zones whose they are; the first time, they are taken into use. Raises Unavailable."""
    async with database.translate(), jobs.acquire() as connection:
        set_id = await store.set_id(connection)
        is_new = not await store.are_adopted(connection)
    await zones.prepare(set_id, is_new=is_new)
    if is_new:
        async with database.translate(), jobs.acquire() as connection:
            await store.adopt(connection, zones.names)
