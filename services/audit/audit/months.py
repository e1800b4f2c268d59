"""Partitions of the log, made before their month begins. What has none goes to the default partition; nothing waits."""

import asyncio
import logging

import asyncpg

from audit import store
from guard import database, errors
from guard.clock import Clock
from guard.database import Pool

_log = logging.getLogger("audit.months")
_LOOK = 60.0  # seconds between two looks at the date


async def keep_ahead(pool: Pool, clock: Clock) -> None:
    """Makes what is missing once a day by `clock`, until cancelled. `pool` is the job role's."""
    done = None
    while True:
        today = clock.now().date()
        if today != done:
            try:
                async with database.translate(), pool.acquire() as connection:
                    made = await store.make_months(connection, clock.now())
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("partitions wait", extra={"error": type(failed).__name__})
            else:
                done = today
                _log.info("partitions are ahead", extra={"made": made})
        await asyncio.sleep(_LOOK)
