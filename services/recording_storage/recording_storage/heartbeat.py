"""The uploads that this process works on: each says every few seconds that it is alive. What is silent is swept."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg

from guard import database, errors
from guard.database import Pool
from recording_storage.store import upload as store

_EVERY = 5.0  # seconds

_log = logging.getLogger("recording_storage.heartbeat")


class Heartbeat:
    """Beats for all of them."""

    def __init__(self) -> None:
        self._alive: set[tuple[UUID, UUID]] = set()

    @contextmanager
    def of(self, client_id: UUID, recording_id: UUID) -> Iterator[None]:
        """Keeps this upload alive inside the block."""
        self._alive.add((client_id, recording_id))
        try:
            yield
        finally:
            self._alive.discard((client_id, recording_id))

    async def run(self, jobs: Pool) -> None:
        """Beats until cancelled; the database away is waited for."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                for client_id, recording_id in list(self._alive):
                    async with database.translate(), jobs.acquire() as connection:
                        await store.beat(connection, client_id, recording_id)
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("heartbeat waits", extra={"error": type(failed).__name__})
