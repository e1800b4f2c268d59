"""A call: which of its facts are sealed, whose key seals them, and how a change is merged. No I/O, no framework."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from guard.body import Body
from guard.errors import Invalid
from guard.keys import SubjectKey
from guard.moment import EARLIEST, Moment
from tenant_data.held_recording import Kept

TABLE = "call"
_SEALED = frozenset({"ended_at", "from_number", "to_number", "outcome"})
_ENDS_TOO_EARLY = "a call does not end before it started"

Direction = Literal["inbound", "outbound"]
# What the exchange reported: a number, a SIP address, a word like `anonymous`. Nothing is looked up by it.
Line = Annotated[str, Field(max_length=64)]
Outcome = Annotated[str, Field(max_length=500)]


class NewCall(Body):
    """The body that creates a call."""

    guest_id: UUID | None = None
    direction: Direction
    started_at: Moment
    ended_at: Moment | None = None
    from_number: Line | None = None
    to_number: Line | None = None
    outcome: Outcome | None = None

    @field_validator("ended_at")
    @classmethod
    def _not_before_its_start(cls, ended_at: datetime | None, info: ValidationInfo) -> datetime | None:
        started_at = info.data.get("started_at")
        if ended_at is not None and started_at is not None and ended_at < started_at:
            raise ValueError(_ENDS_TOO_EARLY)
        return ended_at


class CallChange(NewCall):
    """The fields to replace; null clears an optional one. `guest_id` moves the call to another person, or to nobody."""

    direction: Direction = "inbound"  # never the value of a change: a field that was not given is not merged
    started_at: Moment = EARLIEST


class Call(BaseModel):
    """A call as a caller sees it."""

    id: UUID
    guest_id: UUID | None
    direction: Direction
    started_at: datetime
    ended_at: datetime | None
    from_number: str | None
    to_number: str | None
    outcome: str | None
    version: int
    created_at: datetime


class DeletedCall(BaseModel):
    """The answer to a deletion that is not a whole one: `kept` names what a legal hold keeps."""

    id: UUID
    kept: list[Kept]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as the database has it, with the key that opens it."""

    call_id: UUID
    guest_id: UUID | None
    direction: Direction
    started_at: datetime
    sealed: bytes
    key: SubjectKey
    version: int
    created_at: datetime


def seal(call: NewCall, call_id: UUID, key: SubjectKey) -> bytes:
    """The blob of a call, bound to its row."""
    return key.seal(call.model_dump(mode="json", include=set(_SEALED)), about=(TABLE, call_id))


def reveal(row: CallRow) -> Call:
    """The call in clear."""
    return Call(
        id=row.call_id,
        guest_id=row.guest_id,
        direction=row.direction,
        started_at=row.started_at,
        version=row.version,
        created_at=row.created_at,
        **row.key.open(row.sealed, about=(TABLE, row.call_id)),
    )


def known(call_id: UUID, call: NewCall, version: int, created_at: datetime) -> Call:
    """The call with these facts, as a caller sees it."""
    return Call(id=call_id, version=version, created_at=created_at, **call.model_dump())


def merge(call: Call, change: CallChange) -> NewCall:
    """`call` with the given fields of `change` in place of its own. Raises Invalid when it would end too early."""
    kept = {field: getattr(call, field) for field in NewCall.model_fields}
    merged = NewCall.model_construct(**(kept | change.model_dump(exclude_unset=True)))
    if merged.ended_at is not None and merged.ended_at < merged.started_at:
        raise Invalid([("/ended_at", _ENDS_TOO_EARLY)])
    return merged
