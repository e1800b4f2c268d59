"""Operators of the platform: who they are is their certificate's word, what they may ask for is ours (04.2, 04.3)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field, field_validator

from auth.client import Plan
from auth.store import operator as store
from auth.visitor import Visitor
from events.access import PLATFORM, Action
from guard import errors
from guard.access import Access, Entry
from guard.body import Body
from guard.database import Connection
from guard.identity import peer
from guard.rights import OF_PLATFORM, Right

OPERATOR_NAME = r"^[a-z][a-z0-9-]{1,31}$"
_PREFIX = "operator/"

# Everything but what a person does with a session of its own: an operator has none at a client.
HOLDABLE = frozenset(Right) - {Right.SESSION_OWN}
# What a token at one client may say.
GRANTABLE = HOLDABLE - OF_PLATFORM

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
_LONGEST_REASON = 512  # of an event


class NewOperator(Body):
    """A person who may operate; without a list, with every right that an operator can hold."""

    name: Annotated[str, Field(pattern=OPERATOR_NAME)]
    rights: Annotated[list[Right] | None, Field(max_length=len(HOLDABLE))] = None

    @field_validator("rights")
    @classmethod
    def _can_be_held(cls, rights: list[Right] | None) -> list[Right] | None:
        if rights is not None and not HOLDABLE.issuperset(rights):
            raise ValueError("a right that only a user can have")
        return rights


class Operator(BaseModel):
    """A registered operator."""

    name: str
    rights: list[Right]
    created_at: datetime


class Operators(BaseModel):
    """All of them: people, so never many."""

    items: list[Operator]


class Grant(Body):
    """What an operator wants to do at a client, and why; the client's administrator reads the reason."""

    client_id: UUID
    reason: Reason
    rights: Annotated[list[Right], Field(min_length=1, max_length=len(Right))]


class Granted(BaseModel):
    """A token of ten minutes."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - RFC 6750's word
    expires_in: int


class RegisteredClient(BaseModel):
    """A client that has joined, and the token of its first administrator: shown once."""

    client_id: UUID
    admin_email: str
    activation_token: str


class Look(Body):
    """A page of the list of clients, and why it is wanted: each client on it reads the reason."""

    reason: Reason
    limit: Annotated[int, Field(ge=1, le=200)] = 200
    cursor: UUID | None = None


class ListedClient(BaseModel):
    """A client as operators see it."""

    client_id: UUID
    name: str
    plan: Plan
    created_at: datetime


class ListedClients(BaseModel):
    """Newest first; `next_cursor` is null on the last page."""

    items: list[ListedClient]
    next_cursor: UUID | None


@dataclass(frozen=True, slots=True)
class Asker:
    """The operator that a certificate names, and what it may ask for; without rights, it is not registered."""

    name: str
    rights: frozenset[str] | None

    def at_a_client(self) -> "Asker":
        """The same with the rights that a token can carry."""
        return replace(self, rights=None if self.rights is None else self.rights & GRANTABLE)

    def lacks(self, rights: Iterable[str]) -> str | None:
        """The first of `rights` that it may not ask for."""
        if self.rights is None:
            return "operator"
        return next((right for right in rights if right not in self.rights), None)

    def why(self, missing: str) -> str:
        """How the log says that it lacks `missing`."""
        return "not registered" if self.rights is None else f"the right {missing} is not held"


async def _operator(request: Request) -> Asker:
    name = peer(request)
    if name is None or not name.startswith(_PREFIX):
        raise errors.Forbidden("operator")
    # Asked each time: a removed operator's certificate is still valid for hours, and good for nothing at once.
    async with request.app.state.door.platform() as connection:
        return await _asker(connection, name.removeprefix(_PREFIX))


async def _asker(connection: Connection, name: str) -> Asker:
    row = await store.find(connection, name)
    return Asker(name, None if row is None else frozenset(row.rights))


async def held(access: Access, name: str) -> Asker:
    """The operator as it is until this transaction ends: nobody takes it a right while a token is minted in here."""
    await store.hold(access.connection, name)
    return await _asker(access.connection, name)


AnOperator = Annotated[Asker, Depends(_operator)]
"""The operator whose certificate the peer has shown: `require` says whether it may."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator wants to do, why, and in whose log that is told: a client's, or the platform's."""

    action: Action
    reason: str
    client_id: UUID = PLATFORM


async def require(door: Entry, visitor: Visitor, operator: Asker, deed: Deed, rights: Iterable[str]) -> None:
    """Raises Forbidden unless the operator is registered with all of `rights`; the refusal is in the log first."""
    missing = operator.lacks(rights)
    if missing is not None:
        await refuse(door, visitor, operator, deed, operator.why(missing))
        raise errors.Forbidden(missing)


async def refuse(door: Entry, visitor: Visitor, operator: Asker, deed: Deed, why: str) -> None:
    """Commits the refusal in the operator's name."""
    caller = visitor.caller(door.door, deed.client_id, because(why, deed.reason))
    await door.refuse(replace(caller, kind="operator", id=operator.name, label=operator.name), deed.action)


def because(why: str, reason: str) -> str:
    """Why an operator is refused, before its own reason."""
    return f"{why}: {reason}"[:_LONGEST_REASON]


async def _bootstrap(request: Request) -> None:
    if peer(request) != "bootstrap":
        raise errors.Forbidden("bootstrap")


OnlyBootstrap = Depends(_bootstrap)
"""Routes for the holder of the root's file alone: who makes operators."""
