"""Statements on uploads: begun and ended by their own client, kept alive and swept by the job role."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.database import Connection


async def begin_upload(access: Access, recording_id: UUID, call_id: UUID, guest_id: UUID | None) -> None:
    """An upload for this call, running from now."""
    await access.execute(
        """INSERT INTO upload (client_id, recording_id, call_id, guest_id)
           VALUES ($1, $2, $3, $4)""",
        recording_id,
        call_id,
        guest_id,
    )
    access.touch("call", call_id, guest_id)


async def end_upload(access: Access, recording_id: UUID) -> Record | None:
    """Ends an upload that becomes a recording: its `call_id` and `guest_id`. None when it was given up meanwhile."""
    return await access.fetchrow(
        """DELETE FROM upload
            WHERE client_id = $1 AND recording_id = $2 AND state = 'running'
        RETURNING call_id, guest_id, assigned_at""",
        recording_id,
    )


async def abandon_upload(access: Access, recording_id: UUID, silent_seconds: float = 0.0) -> bool:
    """Gives up an upload that has been silent for so long: its objects are swept. False when there is no such one."""
    found = await access.fetchrow(
        """UPDATE upload SET state = 'abandoned'
            WHERE client_id = $1 AND recording_id = $2 AND state = 'running'
              AND beat_at <= clock_timestamp() - make_interval(secs => $3)
        RETURNING call_id, guest_id""",
        recording_id,
        silent_seconds,
    )
    if found is None:
        return False
    access.touch("call", found["call_id"], found["guest_id"])
    return True


async def disown_upload(access: Access, recording_id: UUID, call_id: UUID, guest_id: UUID | None) -> bool:
    """Has what an upload stored swept, that others had given up before it ended. False when it became a recording."""
    await access.execute(
        """DELETE FROM upload
            WHERE client_id = $1 AND recording_id = $2 AND state = 'abandoned'""",
        recording_id,
    )
    # A row of its own: a sweep that has erased what was there before does not forget this one.
    found = await access.fetchrow(
        """INSERT INTO upload (client_id, recording_id, call_id, guest_id, state)
           SELECT $1, $2, $3, $4, 'abandoned'
            WHERE NOT EXISTS (SELECT FROM recording r WHERE r.client_id = $1 AND r.recording_id = $2)
              AND NOT EXISTS (SELECT FROM removal r WHERE r.client_id = $1 AND r.recording_id = $2)
        RETURNING call_id""",
        recording_id,
        call_id,
        guest_id,
    )
    access.touch("call", call_id, guest_id)
    return found is not None


async def beat(connection: Connection, client_id: UUID, recording_id: UUID) -> None:
    """Says that the upload is alive."""
    await connection.execute(
        """UPDATE upload SET beat_at = clock_timestamp()
            WHERE client_id = $1 AND recording_id = $2""",
        client_id,
        recording_id,
    )


async def dead_uploads(connection: Connection, silent_seconds: float) -> Sequence[Record]:
    """`client_id`, `recording_id`, `state`, `beat_at` and seconds of silence of what was given up, or is silent.

    One of each client, then another of each, as `removal.waiting_removals` has them.
    """
    return await connection.fetch(
        """-- every client: whose process has died is not known to its client
           SELECT client_id, recording_id, state, beat_at,
                  extract(epoch FROM clock_timestamp() - beat_at)::float AS silent
             FROM upload
            WHERE state = 'abandoned' OR beat_at < clock_timestamp() - make_interval(secs => $1)
            ORDER BY row_number() OVER (PARTITION BY client_id ORDER BY beat_at), beat_at
            LIMIT 1000""",
        silent_seconds,
    )


async def forget_upload(connection: Connection, client_id: UUID, recording_id: UUID, beat_at: datetime) -> None:
    """Nothing is left in any zone of the upload that was listed with this beat; one that has beaten since stays."""
    await connection.execute(
        """DELETE FROM upload
            WHERE client_id = $1 AND recording_id = $2 AND state = 'abandoned' AND beat_at = $3""",
        client_id,
        recording_id,
        beat_at,
    )
