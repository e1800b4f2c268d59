"""Deletes transcripts whose client keeps them no longer, never across clients in one transaction. Forgets deletions.

Which clients are due is asked as the job role, which sees no content; each deletion then goes through the door of its
own client, so that it stands in that client's log like anybody else's.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from events.access import Action
from guard import database, errors
from guard.access import Door
from tenant_data.store.call import forget_deleted
from tenant_data.store.client import clients_with_expired_transcripts
from tenant_data.store.transcript import delete_expired_transcripts

_log = logging.getLogger("tenant_data.retention")
BATCH = 500  # transcripts in one transaction and its event, which names at most 1000 resources
# Longer than a backup is kept: who is restored from one has missed what was deleted since.
DELETED_CALLS_KEPT = timedelta(days=90)


async def run(door: Door, every_seconds: float) -> None:
    """Sweeps until cancelled; the database or the keys away is waited for."""
    while True:
        try:
            deleted = await sweep(door)
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("retention waits", extra={"error": type(failed).__name__})
        else:
            if deleted:
                _log.info("transcripts expired", extra={"count": deleted})
        await asyncio.sleep(every_seconds)


async def sweep(door: Door) -> int:
    """Deletes all that is due by the door's clock; how many transcripts that were."""
    async with database.translate(), door.pools.job.acquire() as connection:
        due = await clients_with_expired_transcripts(connection, door.clock.now())
        await forget_deleted(connection, door.clock.now() - DELETED_CALLS_KEPT)
    return sum([await _sweep_client(door, row["client_id"], row["created_before"]) for row in due])


async def _sweep_client(door: Door, client_id: UUID, created_before: datetime) -> int:
    caller = door.service_caller(client_id, reason="retention")
    total = 0
    while True:
        async with door.entry().open(caller, Action.TRANSCRIPT_DELETE) as access:
            deleted = await delete_expired_transcripts(access, created_before, BATCH)
        total += deleted
        if deleted < BATCH:
            return total
