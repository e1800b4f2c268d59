"""The transcript of a call: who said what. Sealed whole, with the key of its call's subject. No I/O, no framework."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from guard.body import Body
from guard.keys import SubjectKey
from guard.moment import Moment
from tenant_data.language import Language

TABLE = "transcript"


class Turn(Body):
    """One utterance."""

    speaker: Literal["guest", "concierge"]
    text: Annotated[str, Field(max_length=5_000)]
    at: Moment | None = None


class TranscriptContent(Body):
    """The body that puts a transcript, and what the sealed blob holds."""

    turns: Annotated[tuple[Turn, ...], Field(max_length=2_000)]
    language: Language | None = None


class SpokenTurn(BaseModel):
    """One utterance as a caller sees it."""

    speaker: Literal["guest", "concierge"]
    text: str
    at: datetime | None


class Transcript(BaseModel):
    """A transcript as a caller sees it."""

    call_id: UUID
    turns: list[SpokenTurn]
    language: str | None
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """A transcript as the database has it, with the guest of its call and the key that opens it."""

    call_id: UUID
    guest_id: UUID | None
    sealed: bytes
    key: SubjectKey
    version: int
    created_at: datetime


def seal(content: TranscriptContent, call_id: UUID, key: SubjectKey) -> bytes:
    """The blob of a transcript, bound to its call."""
    return key.seal(content.model_dump(mode="json"), about=(TABLE, call_id))


def reseal(row: TranscriptRow, key: SubjectKey) -> bytes:
    """The same words under another subject's key, for a call that moves to another person."""
    about = (TABLE, row.call_id)
    return key.seal(row.key.open(row.sealed, about=about), about=about)


def reveal(row: TranscriptRow) -> Transcript:
    """The transcript in clear."""
    content = row.key.open(row.sealed, about=(TABLE, row.call_id))
    return Transcript(call_id=row.call_id, version=row.version, created_at=row.created_at, **content)


def known(call_id: UUID, content: TranscriptContent, version: int, created_at: datetime) -> Transcript:
    """The transcript with these words, as a caller sees it."""
    return Transcript(call_id=call_id, version=version, created_at=created_at, **content.model_dump())
