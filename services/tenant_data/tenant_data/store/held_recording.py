"""Statements on the recordings that legal holds keep: written by the job role from events, read by routes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from events.hold import HoldPlaced
from guard.access import Access
from guard.database import Connection
from tenant_data.held_recording import Kept


async def save_hold(connection: Connection, hold: HoldPlaced) -> None:
    """A recording is held, and whose it is, unless that or something newer is known: events may come again."""
    # The same one again would undo a move of its call since.
    await connection.execute(
        """INSERT INTO held_recording (client_id, recording_id, call_id, guest_id, is_held, changed_at)
           VALUES ($1, $2, $3, $4, true, $5)
           ON CONFLICT (client_id, recording_id) DO UPDATE SET call_id = excluded.call_id,
                                                               guest_id = excluded.guest_id,
                                                               is_held = true,
                                                               changed_at = excluded.changed_at
            WHERE held_recording.client_id = $1 AND held_recording.changed_at < excluded.changed_at""",
        hold.client_id,
        hold.recording_id,
        hold.call_id,
        hold.guest_id,
        hold.at,
    )


async def lift_hold(connection: Connection, client_id: UUID, recording_id: UUID, at: datetime) -> None:
    """This recording is held no longer, unless something newer is known."""
    await connection.execute(
        """INSERT INTO held_recording (client_id, recording_id, is_held, changed_at)
           VALUES ($1, $2, false, $3)
           ON CONFLICT (client_id, recording_id) DO UPDATE SET is_held = false, changed_at = excluded.changed_at
            WHERE held_recording.client_id = $1 AND held_recording.changed_at <= excluded.changed_at""",
        client_id,
        recording_id,
        at,
    )


async def move_held(access: Access, call_id: UUID, guest_id: UUID | None) -> None:
    """What is held of a call is another guest's now, or nobody's."""
    await access.execute(
        """UPDATE held_recording SET guest_id = $3
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
        guest_id,
    )


async def held_of_call(access: Access, call_id: UUID) -> list[Kept]:
    """What is held of a call, each noted."""
    records = await access.fetch(
        """SELECT recording_id, guest_id
             FROM held_recording
            WHERE client_id = $1 AND call_id = $2 AND is_held
            ORDER BY recording_id""",
        call_id,
    )
    return _kept(access, records)


async def held_of_guest(access: Access, guest_id: UUID, call_ids: Sequence[UUID]) -> list[Kept]:
    """What is held of these calls, and of calls of this guest that were deleted before, each noted."""
    # A call that is still there is somebody else's: the hold was placed before its move was known there.
    records = await access.fetch(
        """SELECT h.recording_id, h.guest_id
             FROM held_recording h
            WHERE h.client_id = $1 AND h.is_held
              AND (h.call_id = ANY($3::uuid[])
                   OR (h.guest_id = $2
                       AND NOT EXISTS (SELECT 1
                                         FROM call c
                                        WHERE c.client_id = $1 AND c.call_id = h.call_id)))
            ORDER BY h.recording_id""",
        guest_id,
        call_ids,
    )
    return _kept(access, records)


def _kept(access: Access, records: Sequence[Record]) -> list[Kept]:
    # In the log as in the answer: who reads that a guest was deleted reads there what was not.
    if records:
        access.note(f"recordings kept by a legal hold: {len(records)}")
    for record in records:
        access.touch("recording", record["recording_id"], record["guest_id"])
    return [Kept(id=record["recording_id"]) for record in records]
