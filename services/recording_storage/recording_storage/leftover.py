"""What uploads leave that did not become recordings: refused, cut, or of a killed process. Nothing of it stays."""

from uuid import UUID

from events.access import Action, Outcome
from guard import database
from guard.access import Door
from recording_storage import zone
from recording_storage.store import upload as store
from recording_storage.zone import Zones

_DOUBTFUL = 600.0  # seconds of silence


class _AliveAfterAll(Exception):
    """It has beaten, or ended, since it was listed."""


async def sweep(door: Door, zones: Zones, silent_seconds: float) -> int:
    """Erases what was given up, or silent for so long; how many uploads. What a zone that is away holds waits for it.

    What counts as running and has been silent for long may be a recording: to a database that was restored from before
    its last commit. It is let go of and not erased; if nobody owns it, it has its day as any orphan (`comparison`).
    Raises Unavailable when the database is away.
    """
    async with database.translate(), door.pools.job.acquire() as connection:
        dead = await store.dead_uploads(connection, silent_seconds)
    swept = 0
    for row in dead:
        client_id, recording_id = row["client_id"], row["recording_id"]
        if row["state"] == "running" and not await _give_up(door, client_id, recording_id, silent_seconds):
            continue
        is_doubtful = row["state"] == "running" and row["silent"] > _DOUBTFUL
        gone = zones.names if is_doubtful else await zones.erase(zone.prefix(client_id, recording_id))
        if len(gone) == len(zones.names):
            async with database.translate(), door.pools.job.acquire() as connection:
                await store.forget_upload(connection, client_id, recording_id, row["beat_at"])
            swept += 1
    return swept


async def _give_up(door: Door, client_id: UUID, recording_id: UUID, silent_seconds: float) -> bool:
    """Says in its client's log how the upload ended, as the process that was killed could not. False: it goes on."""
    caller = door.service_caller(client_id, reason="upload ended: its process stopped")
    try:
        async with door.entry().open(caller, Action.RECORDING_CREATE) as access:
            if not await store.abandon_upload(access, recording_id, silent_seconds):
                raise _AliveAfterAll
            access.outcome = Outcome.FAILED
    except _AliveAfterAll:
        return False
    return True
