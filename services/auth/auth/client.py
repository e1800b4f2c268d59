"""A client of the platform: its plan, its choices within the platform's limits, what is told about it. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from auth.user import Change, Email, Name
from events.client import ClientChanged, ClientRegistered, ClientSettings, Retention
from guard.body import Body

TOPIC = "auth.clients"
Plan = Literal["starter", "pro", "business", "enterprise"]
Days = Annotated[int, Field(ge=1, le=3650)]


def at_first() -> ClientSettings:
    """The settings of a client that has just joined.

    The platform's limits are its defaults: a client may only shorten (04.1; SP 800-63B-4, AAL2: 24 h, and 1 h idle).
    """
    return ClientSettings(
        totp_required=False,
        session_idle_seconds=3600,
        session_absolute_seconds=86400,
        retention=Retention(recordings_days=90, transcripts_days=365),
    )


class NewClient(Body):
    """What an operator says of a client that joins."""

    name: Name
    plan: Plan
    admin_email: Email


class RetentionChange(Change):
    """How long content is kept."""

    recordings_days: Days | None = None
    transcripts_days: Days | None = None


class SettingsChange(Change):
    """A client's own choices."""

    totp_required: bool | None = None
    session_idle_seconds: Annotated[int, Field(ge=300, le=3600)] | None = None
    session_absolute_seconds: Annotated[int, Field(ge=900, le=86400)] | None = None
    retention: RetentionChange | None = None


class ClientChange(Change):
    """What a client's administrator may change; the plan is not among it."""

    name: Name | None = None
    settings: SettingsChange | None = None


class Client(BaseModel):
    """A client as its administrator sees it."""

    id: UUID
    name: str
    plan: Plan
    settings: ClientSettings
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client as it is stored."""

    client_id: UUID
    name: str
    plan: str
    settings: ClientSettings
    version: int
    created_at: datetime

    def shown(self) -> Client:
        """For its administrator."""
        return Client.model_validate(
            {
                "id": self.client_id,
                "name": self.name,
                "plan": self.plan,
                "settings": self.settings,
                "version": self.version,
                "created_at": self.created_at,
            }
        )

    def registered(self, at: datetime) -> ClientRegistered:
        """The news that it has joined."""
        return ClientRegistered(client_id=self.client_id, name=self.name, plan=self.plan, settings=self.settings, at=at)

    def changed(self, at: datetime) -> ClientChanged:
        """The news of its state after a change."""
        return ClientChanged(client_id=self.client_id, name=self.name, plan=self.plan, settings=self.settings, at=at)


def merged(settings: ClientSettings, change: SettingsChange) -> ClientSettings:
    """The settings after `change`."""
    given = change.model_dump(exclude_unset=True)
    retention = settings.retention.model_copy(update=given.pop("retention", {}))
    return settings.model_copy(update={**given, "retention": retention})
