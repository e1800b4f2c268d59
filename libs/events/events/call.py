"""What the other services need to know of a call: that it is gone, or whose it is now."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from events.event import Event, Instant


class CallDeleted(Event):
    """A call was deleted, by itself or with its guest; whoever holds more of it deletes that too."""

    event: Literal["CallDeleted"] = "CallDeleted"
    version: Literal[1] = 1
    client_id: UUID
    call_id: UUID
    at: Instant


class CallAssigned(Event):
    """A call belongs to another guest since `at`, or to nobody known; what is kept of it is that guest's."""

    event: Literal["CallAssigned"] = "CallAssigned"
    version: Literal[1] = 1
    client_id: UUID
    call_id: UUID
    guest_id: UUID | None
    at: Instant


_EITHER: TypeAdapter[CallDeleted | CallAssigned] = TypeAdapter(
    Annotated[CallDeleted | CallAssigned, Field(discriminator="event")]
)


def call_event_of(payload: str | bytes) -> CallDeleted | CallAssigned:
    """What a record of `tenant_data.calls` says. Raises pydantic.ValidationError."""
    return _EITHER.validate_json(payload)
