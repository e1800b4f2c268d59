"""Removes what nobody can use any more: expired challenges, counters, revocations, sessions and forgotten devices."""

import asyncio
import logging
from datetime import timedelta

import asyncpg

from auth.store import revocation as store
from guard import database, errors
from guard.clock import Clock
from guard.database import Pool

_EVERY = 600.0  # seconds
_SESSIONS = timedelta(days=2)  # after their beginning; none lives longer than one
_DEVICES = timedelta(days=180)  # without a sign-in

_log = logging.getLogger("auth.pruning")


async def run(jobs: Pool, clock: Clock) -> None:
    """Prunes until cancelled; `jobs` is the job role's pool. The database away is waited for."""
    while True:
        now = clock.now()
        try:
            async with database.translate(), jobs.acquire() as connection:
                await store.prune(connection, now, now - _SESSIONS, now - _DEVICES)
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("pruning waits", extra={"error": type(failed).__name__})
        await asyncio.sleep(_EVERY)
