"""Who comes without a token: an address and a user agent, and the client that a verified secret or directory names."""

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from events.access import Outcome
from guard import telemetry
from guard.access import Access, Door
from guard.identity import Caller


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known before anything is proven."""

    ip: str
    user_agent: str
    request_id: str
    trace_id: str | None

    def caller(self, door: Door, client_id: UUID, reason: str | None = None) -> Caller:
        """`auth` itself acting on the visitor's behalf for one client."""
        caller = door.service_caller(client_id, reason=reason, request_id=self.request_id)
        return replace(caller, ip=self.ip, user_agent=self.user_agent, trace_id=self.trace_id)


async def _visitor(request: Request) -> Visitor:
    state = request.scope["state"]
    return Visitor(
        ip=state["ip"],
        user_agent=request.headers.get("user-agent", "")[:256],
        request_id=state["request_id"],
        trace_id=telemetry.trace_id(),
    )


Knock = Annotated[Visitor, Depends(_visitor)]
"""The visitor as a route's parameter."""


def name_user(access: Access, user_id: UUID, role: str, *, reason: str | None = None) -> None:
    """From here on the access is the user's own: it has proven who it is."""
    access.caller = replace(access.caller, kind="user", id=str(user_id), label=label(user_id, role), reason=reason)


def name_operator(access: Access, name: str, reason: str) -> None:
    """From here on the access is a named operator's, with its reason."""
    access.caller = replace(access.caller, kind="operator", id=name, label=name, reason=reason)


def deny(access: Access, reason: str) -> None:
    """The access is committed as a refusal; the route answers with an error after the transaction."""
    access.outcome = Outcome.DENIED
    access.caller = replace(access.caller, reason=reason)


def label(user_id: UUID, role: str) -> str:
    """How a person reads an actor in the log: no name and no e-mail, which an event must not carry (invariant 5)."""
    return f"{role} {user_id.hex[-8:]}"
