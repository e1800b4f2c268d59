"""The zones' first day: marked once, when this service begins, and never again by itself (a lost zone is a runbook)."""

import asyncio
import logging

import asyncpg

from guard import database, errors
from guard.database import Pool
from recording_storage.store import zone as store
from recording_storage.zone import Zones

_AGAIN = 1.0  # seconds
_WATCH = 10.0  # seconds between two looks at zones that nobody calls

_log = logging.getLogger("recording_storage.adoption")


async def run(jobs: Pool, zones: Zones) -> None:
    """Takes the zones into use if they never were, then watches them until cancelled."""
    while True:
        try:
            await _prepare(jobs, zones)
            break
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("the zones wait", extra={"error": type(failed).__name__})
            await asyncio.sleep(_AGAIN)
    await zones.watch(_WATCH)


async def _prepare(jobs: Pool, zones: Zones) -> None:
    async with database.translate(), jobs.acquire() as connection:
        is_new = not await store.are_adopted(connection)
    await zones.prepare(is_new=is_new)
    async with database.translate(), jobs.acquire() as connection:
        await store.adopt(connection, zones.names)
