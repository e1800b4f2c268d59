"""What other services need to know of a client. Compacted by client, so each event holds the whole state."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from events.event import Event, Instant, Text

_Days = Annotated[int, Field(ge=1, le=3650)]
_Seconds = Annotated[int, Field(ge=60)]


class Retention(BaseModel):
    """How long content is kept, in days."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    recordings_days: _Days
    transcripts_days: _Days


class ClientSettings(BaseModel):
    """A client's own choices, within the platform's limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    totp_required: bool
    session_idle_seconds: _Seconds
    session_absolute_seconds: _Seconds
    retention: Retention


class _ClientState(Event):
    client_id: UUID
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    plan: Annotated[Text, Field(min_length=1, max_length=64)]
    settings: ClientSettings
    at: Instant


class ClientRegistered(_ClientState):
    """A client has joined."""

    event: Literal["ClientRegistered"] = "ClientRegistered"
    version: Literal[1] = 1


class ClientChanged(_ClientState):
    """A client has another name, plan or settings: the state after the change."""

    event: Literal["ClientChanged"] = "ClientChanged"
    version: Literal[1] = 1


class ClientOffboarded(Event):
    """A client has left: its data is to go."""

    event: Literal["ClientOffboarded"] = "ClientOffboarded"
    version: Literal[1] = 1
    client_id: UUID
    at: Instant


_ANY: TypeAdapter[ClientRegistered | ClientChanged | ClientOffboarded] = TypeAdapter(
    Annotated[ClientRegistered | ClientChanged | ClientOffboarded, Field(discriminator="event")]
)


def client_event_of(payload: str | bytes) -> ClientRegistered | ClientChanged | ClientOffboarded:
    """What a record of `auth.clients` says. Raises pydantic.ValidationError."""
    return _ANY.validate_json(payload)
