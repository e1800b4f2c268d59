"""An access event as it lies in the log, losing nothing of its canonical form, and as its client reads it. No I/O."""

import base64
from typing import Any, Literal, Self
from uuid import UUID

from asyncpg import Record
from pydantic import BaseModel, ConfigDict

from events.access import AccessEvent, Action, Actor, Outcome, Resource
from events.event import Instant


def to_row(event: AccessEvent) -> dict[str, Any]:
    """The columns of `access_event`, as JSON values."""
    return {
        "client_id": str(event.client_id),
        "event_id": str(event.event_id),
        "version": event.version,
        "occurred_at": event.occurred_at.isoformat(),
        "service": event.service,
        "actor_type": event.actor.type,
        "actor_id": event.actor.id,
        "actor_label": event.actor.label,
        "action": event.action.value,
        "resource_types": [resource.type for resource in event.resources],
        "resource_ids": [resource.id for resource in event.resources],
        "guest_id": None if event.guest_id is None else str(event.guest_id),
        "ip": event.ip,
        "user_agent": event.user_agent,
        "outcome": event.outcome.value,
        "reason": event.reason,
        "request_id": event.request_id,
        "trace_id": event.trace_id,
        "salt": base64.urlsafe_b64decode(event.salt + "=").hex(),
    }


def of_row(row: Record) -> AccessEvent:
    """The event of a row, equal to the one that was stored: the same canonical bytes."""
    return AccessEvent(
        version=row["version"],
        event_id=row["event_id"],
        occurred_at=row["occurred_at"],
        service=row["service"],
        client_id=row["client_id"],
        actor=Actor(type=row["actor_type"], id=row["actor_id"], label=row["actor_label"]),
        action=Action(row["action"]),
        resources=tuple(
            Resource(type=kind, id=name) for kind, name in zip(row["resource_types"], row["resource_ids"], strict=True)
        ),
        guest_id=row["guest_id"],
        ip=row["ip"],
        user_agent=row["user_agent"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        request_id=row["request_id"],
        trace_id=row["trace_id"],
        salt=base64.urlsafe_b64encode(row["salt"]).rstrip(b"=").decode(),
    )


class LogEntry(BaseModel):
    """An access event as the API and the exports show it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    occurred_at: Instant
    actor: Actor
    action: Action
    resources: tuple[Resource, ...]
    ip: str
    user_agent: str
    outcome: Literal["allowed", "denied", "failed"]
    reason: str | None
    request_id: str

    @classmethod
    def of(cls, event: AccessEvent) -> Self:
        """What its client may see of `event`: everything but what only proofs and operators need."""
        return cls(
            id=event.event_id,
            occurred_at=event.occurred_at,
            actor=event.actor,
            action=event.action,
            resources=event.resources,
            ip=event.ip,
            user_agent=event.user_agent,
            outcome=event.outcome.value,
            reason=event.reason,
            request_id=event.request_id,
        )
