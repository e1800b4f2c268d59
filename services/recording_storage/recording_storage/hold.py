"""A legal hold: what it is on stays, whatever becomes of its call, guest and time. Why, is in the access log alone."""

from dataclasses import replace
from uuid import UUID

from events.hold import HoldLifted, HoldPlaced
from guard.access import Access
from recording_storage.recording import RESOURCE, Recording, reveal
from recording_storage.store import call as call_store
from recording_storage.store import recording as store

_TOPIC = "recording.holds"


async def place(access: Access, recording_id: UUID, reason: str) -> Recording:
    """Holds the recording, and tells who would delete it. Placed again it says so again. Raises NotFound."""
    row = await store.lock_recording(access, recording_id)
    await store.hold_recording(access, recording_id)
    access.note(reason)
    placed = HoldPlaced(
        client_id=access.client_id, recording_id=recording_id, call_id=row.call_id, guest_id=row.guest_id, at=access.now
    )
    await access.publish(_TOPIC, str(access.client_id), placed)
    return reveal(replace(row, held_at=access.now))


async def lift(access: Access, recording_id: UUID, reason: str) -> None:
    """Lifts the hold; what is over by then goes with the next sweep. Raises NotFound, also when there is none."""
    row = await store.lock_recording(access, recording_id)
    if row.held_at is None:
        access.missed(RESOURCE, recording_id)
    await store.release_recording(access, recording_id)
    await call_store.open_call(access, row.call_id)
    access.note(reason)
    lifted = HoldLifted(client_id=access.client_id, recording_id=recording_id, at=access.now)
    await access.publish(_TOPIC, str(access.client_id), lifted)
