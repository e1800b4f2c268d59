"""Statements on transcripts. A transcript is found by its call and opens with the key of its call's subject."""

from datetime import datetime
from uuid import UUID

from guard.access import Access
from tenant_data.transcript import TranscriptRow


async def find_transcript(access: Access, call_id: UUID) -> TranscriptRow | None:
    """The transcript of a call, if both are there."""
    record = await access.fetchrow(
        """SELECT t.call_id, c.guest_id, t.sealed, t.version, t.created_at, k.data_key_id, k.wrapped
             FROM transcript t
             JOIN call c ON c.client_id = t.client_id AND c.call_id = t.call_id
             JOIN guard.subject_key k ON k.client_id = c.client_id AND k.subject_id = c.subject_id
            WHERE t.client_id = $1 AND c.client_id = $1 AND k.client_id = $1 AND t.call_id = $2""",
        call_id,
    )
    if record is None:
        return None
    guest_id = record["guest_id"]
    access.touch("transcript", call_id, guest_id)
    return TranscriptRow(
        call_id,
        guest_id,
        record["sealed"],
        await access.unwrap(guest_id or call_id, record["data_key_id"], record["wrapped"]),
        record["version"],
        record["created_at"],
    )


async def insert_transcript(access: Access, call_id: UUID, guest_id: UUID | None, sealed: bytes) -> None:
    """A new transcript, at version 1."""
    await access.execute(
        """INSERT INTO transcript (client_id, call_id, sealed, created_at)
           VALUES ($1, $2, $3, $4)""",
        call_id,
        sealed,
        access.now,
    )
    access.touch("transcript", call_id, guest_id)


async def update_transcript(access: Access, call_id: UUID, sealed: bytes) -> None:
    """Other words, at the next version; its age stays, or a replacement would outlive its retention."""
    await access.execute(
        """UPDATE transcript SET sealed = $3, version = version + 1
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
        sealed,
    )


async def reseal_transcript(access: Access, call_id: UUID, guest_id: UUID | None, sealed: bytes) -> None:
    """The same words under another key: no new version."""
    await access.execute(
        """UPDATE transcript SET sealed = $3
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
        sealed,
    )
    access.touch("transcript", call_id, guest_id)


async def delete_transcript(access: Access, call_id: UUID, guest_id: UUID | None) -> None:
    """The transcript of a call, if there is one."""
    if await access.execute(
        """DELETE FROM transcript
            WHERE client_id = $1 AND call_id = $2""",
        call_id,
    ):
        access.touch("transcript", call_id, guest_id)


async def delete_expired_transcripts(access: Access, created_before: datetime, limit: int) -> int:
    """Deletes the oldest `limit` transcripts of before `created_before`; how many there were. Each is noted."""
    records = await access.fetch(
        """DELETE FROM transcript
            USING (SELECT t.call_id, c.guest_id
                     FROM transcript t
                     JOIN call c ON c.client_id = t.client_id AND c.call_id = t.call_id
                    WHERE t.client_id = $1 AND c.client_id = $1 AND t.created_at < $2
                    ORDER BY t.created_at
                    LIMIT $3
                      FOR UPDATE OF t SKIP LOCKED) expired
            WHERE transcript.client_id = $1 AND transcript.call_id = expired.call_id
        RETURNING transcript.call_id, expired.guest_id""",
        created_before,
        limit,
    )
    access.touch_none()
    for record in records:
        access.touch("transcript", record["call_id"], record["guest_id"])
    return len(records)
