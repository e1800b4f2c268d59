"""The background work that ends what was begun: dead uploads, what is due, removals. Woken, and every few seconds.

Its states are in the database: a process that is killed leaves them to the next one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg

from guard import database, errors
from guard.access import Door
from recording_storage import leftover, removal, retention
from recording_storage.store import call as call_store
from recording_storage.zone import Zones

_TOMBSTONES = 30  # days; no upload lasts a tenth of it

_log = logging.getLogger("recording_storage.sweeping")

Step = Callable[[], Awaitable[int]]


class Sweep:
    """One for each process; two at once do each other's work no harm."""

    def __init__(self, every_seconds: float, silent_seconds: float, copies_kept: timedelta) -> None:
        self._every = every_seconds
        self._silent = silent_seconds
        self._copies_kept = copies_kept
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Says that there is something to do. Cheap."""
        self._woken.set()

    async def run(self, door: Door, zones: Zones) -> None:
        """Sweeps until cancelled; what is away is waited for, and keeps no other step from its work."""
        steps: dict[str, Step] = {
            "uploads": lambda: leftover.sweep(door, zones, self._silent),
            "due": lambda: retention.sweep(door),
            "removals": lambda: removal.finish(door, zones, self._copies_kept),
            "tombstones": lambda: _prune(door),
        }
        while True:
            for name, step in steps.items():
                await _take(name, step)
            try:
                await asyncio.wait_for(self._woken.wait(), self._every)
            except TimeoutError:
                continue
            self._woken.clear()


async def _take(name: str, step: Step) -> None:
    try:
        done = await step()
    except (errors.Unavailable, asyncpg.PostgresError) as failed:
        _log.warning("sweep waits", extra={"operation": name, "error": type(failed).__name__})
    else:
        if done:
            _log.info("swept", extra={"operation": name, "count": done})


async def _prune(door: Door) -> int:
    async with database.translate(), door.pools.job.acquire() as connection:
        await call_store.prune_tombstones(connection, _TOMBSTONES)
    return 0
