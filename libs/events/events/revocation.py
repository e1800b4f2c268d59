"""Revocations, which every process knows before it is ready, and the heartbeat that shows it (04.2)."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from events.event import Event, Instant, Text


class RevokedKind(StrEnum):
    """What a revocation ends: one session, or all those of a user, a client, an operator."""

    SESSION = "session"
    USER = "user"
    CLIENT = "client"
    OPERATOR = "operator"


class Revoked(Event):
    """Tokens of `id` issued before `at` are refused; after `expires_at` none lives: readers may forget."""

    event: Literal["Revoked"] = "Revoked"
    version: Literal[1] = 1
    kind: RevokedKind
    id: Annotated[Text, Field(min_length=1, max_length=128)]
    client_id: UUID
    at: Instant
    expires_at: Instant

    @property
    def key(self) -> str:
        """The compaction key: of its client, and with the time, so that a late copy of an older one replaces none."""
        return f"{self.client_id}:{self.kind}:{self.id}:{self.at.isoformat()}"


class Heartbeat(Event):
    """Auth was alive at `at`. A reader that has seen none for 5 s asks auth itself (invariant 11)."""

    event: Literal["Heartbeat"] = "Heartbeat"
    version: Literal[1] = 1
    at: Instant

    @property
    def key(self) -> str:
        """One key, so that compaction keeps one heartbeat."""
        return "heartbeat"


_EITHER: TypeAdapter[Revoked | Heartbeat] = TypeAdapter(Annotated[Revoked | Heartbeat, Field(discriminator="event")])


def revocation_of(payload: str | bytes) -> Revoked | Heartbeat:
    """What a record of `auth.revocations` says. Raises pydantic.ValidationError."""
    return _EITHER.validate_json(payload)
