"""Legal holds on recordings, for whoever deletes what they belong to: it must say what is kept, and that is all."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from events.event import Event, Instant


class HoldPlaced(Event):
    """A recording is kept, whatever becomes of its call, its guest and its retention. Not why: that is its owner's."""

    event: Literal["HoldPlaced"] = "HoldPlaced"
    version: Literal[1] = 1
    client_id: UUID
    recording_id: UUID
    call_id: UUID
    guest_id: UUID | None
    at: Instant


class HoldLifted(Event):
    """A recording is kept no longer than any other."""

    event: Literal["HoldLifted"] = "HoldLifted"
    version: Literal[1] = 1
    client_id: UUID
    recording_id: UUID
    at: Instant


_EITHER: TypeAdapter[HoldPlaced | HoldLifted] = TypeAdapter(
    Annotated[HoldPlaced | HoldLifted, Field(discriminator="event")]
)


def hold_event_of(payload: str | bytes) -> HoldPlaced | HoldLifted:
    """What a record of `recording.holds` says. Raises pydantic.ValidationError."""
    return _EITHER.validate_json(payload)
