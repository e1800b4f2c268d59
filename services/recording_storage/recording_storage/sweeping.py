"""The background work that ends what was begun: dead uploads, what is due, removals. Woken, and every few seconds.

Its states are in the database: a process that is killed leaves them to the next one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
        self._woken: list[asyncio.Event] = []

    def wake(self) -> None:
        """Says that there is something to do. Cheap."""
        for woken in self._woken:
            woken.set()

    async def run(self, door: Door, zones: Zones) -> None:
        """Sweeps until cancelled; what is away is waited for, and keeps no other step from its work."""
        # Each in its own time: a zone that hangs holds up each erasing by seconds, and must hold up no expiry.
        steps: dict[str, Step] = {
            "uploads": lambda: leftover.sweep(door, zones, self._silent),
            "expired": lambda: self._due(retention.sweep_expired(door)),
            "deleted calls": lambda: self._due(retention.sweep_deleted(door)),
            "removals": lambda: removal.finish(door, zones, self._copies_kept),
            "tombstones": lambda: _prune(door),
        }
        async with asyncio.TaskGroup() as group:
            for name, step in steps.items():
                group.create_task(self._repeat(name, step))

    async def _repeat(self, name: str, step: Step) -> None:
        woken = asyncio.Event()
        self._woken.append(woken)
        while True:
            woken.clear()
            await _take(name, step)
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), self._every)

    async def _due(self, sweep: Awaitable[int]) -> int:
        done = await sweep
        if done:
            self.wake()  # there is something to erase
        return done


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
