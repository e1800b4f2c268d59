"""Follows OpenBao's own audit file into the log, so that each use of a key is an access event (02.4, invariant 8).

What was read and how far are committed together: it may be killed at any moment, and loses and doubles nothing.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from audit import store, vault_file, vault_log
from audit.vault_file import Piece, Position
from events.access import AccessEvent
from guard import database, errors
from guard.database import Pool

_log = logging.getLogger("audit.collector")
_POLL = 0.2  # seconds between two looks at a file that has not grown
_PAUSE = 1.0  # seconds to wait while the database or the file cannot be had


async def follow(path: Path, pool: Pool) -> None:
    """Runs until cancelled. `pool` is the job role's; a file that is not there yet is waited for."""
    while True:
        try:
            async with database.translate(), pool.acquire() as connection:
                position = await store.find_position(connection, path.name)
            while True:
                position = await _step(path, pool, position)
        except (errors.Unavailable, asyncpg.PostgresError, OSError) as failed:
            _log.warning("collector waits", extra={"error": type(failed).__name__})
            await asyncio.sleep(_PAUSE)


async def _step(path: Path, pool: Pool, position: Position | None) -> Position | None:
    piece = await asyncio.to_thread(vault_file.read_on, path, position)
    if piece is None:
        await asyncio.sleep(_POLL)
        return position
    await collect(piece, path.name, pool)
    return piece.end


async def collect(piece: Piece, file_name: str, pool: Pool) -> int:
    """Stores the events of `piece` and the place where it ends, in one transaction; how many events were new."""
    events = events_of(piece.lines)
    async with database.translate(), pool.acquire() as connection, connection.transaction():
        stored = await store.insert_events(connection, events) if events else 0
        await store.save_position(connection, file_name, piece.end)
    return stored


def events_of(lines: Sequence[bytes]) -> list[AccessEvent]:
    """The access events of `lines`; a line that cannot be read is counted, never quoted."""
    events = []
    unreadable = 0
    for line in lines:
        try:
            event = vault_log.event_of(line)
        except vault_log.Unreadable:
            unreadable += 1
            continue
        if event is not None:
            events.append(event)
    if unreadable:
        _log.error("unreadable audit entries", extra={"count": unreadable})
    return events
