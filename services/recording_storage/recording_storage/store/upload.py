"""Statements on uploads: begun and ended by their own client, kept alive and swept by the job role."""

from collections.abc import Sequence
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


async def beat(connection: Connection, client_id: UUID, recording_id: UUID) -> None:
    """Says that the upload is alive."""
    await connection.execute(
        """UPDATE upload SET beat_at = clock_timestamp()
            WHERE client_id = $1 AND recording_id = $2""",
        client_id,
        recording_id,
    )


async def dead_uploads(connection: Connection, silent_seconds: float) -> Sequence[Record]:
    """`client_id`, `recording_id` and `state` of uploads that were given up, or whose process has been silent."""
    return await connection.fetch(
        """-- every client: whose process has died is not known to its client
           SELECT client_id, recording_id, state
             FROM upload
            WHERE state = 'abandoned' OR beat_at < clock_timestamp() - make_interval(secs => $1)
            ORDER BY beat_at
            LIMIT 1000""",
        silent_seconds,
    )


async def forget_upload(connection: Connection, client_id: UUID, recording_id: UUID) -> None:
    """Nothing of the upload is left in any zone."""
    await connection.execute(
        """DELETE FROM upload
            WHERE client_id = $1 AND recording_id = $2 AND state = 'abandoned'""",
        client_id,
        recording_id,
    )
