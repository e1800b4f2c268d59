"""A recording: its facts as a caller sees them, and what a row of it says. No I/O, no framework."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from guard.body import Body

RESOURCE = "recording"  # as the access log names it

ContentType = Literal["audio/wav", "audio/ogg", "audio/mpeg", "audio/flac"]


class Recording(BaseModel):
    """A recording as a caller sees it. `expires_at` is null while its client's retention is not known."""

    id: UUID
    call_id: UUID
    bytes: int
    sha256: str
    content_type: ContentType
    duration_ms: int
    created_at: datetime
    expires_at: datetime | None
    legal_hold: bool


class Why(Body):
    """Why a legal hold is placed or lifted: it stands in the access log, and nowhere else."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A recording as the database has it, with its client's retention."""

    recording_id: UUID
    call_id: UUID
    guest_id: UUID | None
    length: int  # bytes of audio
    sha256: bytes
    content_type: ContentType
    duration_ms: int
    created_at: datetime
    held_at: datetime | None
    recordings_days: int | None

    @property
    def etag(self) -> str:
        """The validator of its audio (RFC 9110, 8.8.3): the same bytes, the same tag."""
        return f'"{self.sha256.hex()}"'


def reveal(row: RecordingRow) -> Recording:
    """The recording as its caller sees it. When it expires is computed: a change of retention counts at once."""
    kept = None if row.recordings_days is None else timedelta(days=row.recordings_days)
    return Recording(
        id=row.recording_id,
        call_id=row.call_id,
        bytes=row.length,
        sha256=row.sha256.hex(),
        content_type=row.content_type,
        duration_ms=row.duration_ms,
        created_at=row.created_at,
        expires_at=None if kept is None else row.created_at + kept,
        legal_hold=row.held_at is not None,
    )
