"""What this service works with beside the door, made once for each process in `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import Gauge

from guard.places import Bounds, Places
from guard.revocation import Revocations
from recording_storage.call import Calls
from recording_storage.effort import Effort
from recording_storage.heartbeat import Heartbeat
from recording_storage.key import Keys
from recording_storage.zone import Zones

# An upload holds two MiB and a play three: 20 and 20 of them have 200 MiB in all (make bench).
UPLOADS = Bounds(of_one=20, in_all=32, kept=12)
PLAYS = Bounds(of_one=20, in_all=40, kept=20)
running = Gauge("konci_recording_running", "Uploads and plays under way", ["what"])


@dataclass(frozen=True, slots=True, repr=False)
class Archive:
    """Zones and keys, whose a call is, room for uploads and plays, and the sweep that clears what they leave."""

    zones: Zones
    keys: Keys
    calls: Calls
    uploads: Places
    plays: Places
    effort: Effort
    heartbeat: Heartbeat
    revocations: Revocations
    wake_sweep: Callable[[], None]
    copies_kept: timedelta  # the longest that a backup or a snapshot of a key's row is kept


async def _archive(request: Request) -> Archive:
    archive: Archive = request.app.state.archive
    return archive


TheArchive = Annotated[Archive, Depends(_archive)]
"""The archive as a route's parameter."""
