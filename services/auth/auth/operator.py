"""Operators of the platform: who they are is their certificate's word, what they may ask for is ours (04.2, 04.3)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field, field_validator

from auth.client import Plan
from auth.store import operator as store
from guard import errors
from guard.body import Body
from guard.identity import peer
from guard.rights import Right

_PREFIX = "operator/"

# Everything but what a person does with a session of its own: an operator has none at a client.
GRANTABLE = frozenset(Right) - {Right.SESSION_OWN}


class NewOperator(Body):
    """A person who may operate; without a list, with every right that can be granted."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
    rights: Annotated[list[Right] | None, Field(max_length=len(GRANTABLE))] = None

    @field_validator("rights")
    @classmethod
    def _can_be_granted(cls, rights: list[Right] | None) -> list[Right] | None:
        if rights is not None and not GRANTABLE.issuperset(rights):
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
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
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


async def _operator(request: Request) -> store.OperatorRow:
    name = peer(request)
    if name is None or not name.startswith(_PREFIX):
        raise errors.Forbidden("operator")
    # Asked each time: a removed operator's certificate is still valid for hours, and good for nothing at once.
    async with request.app.state.door.platform() as connection:
        row = await store.find(connection, name.removeprefix(_PREFIX))
    if row is None:
        raise errors.Forbidden("operator")
    return row


AnOperator = Annotated[store.OperatorRow, Depends(_operator)]
"""The registered operator whose certificate the peer has shown."""


async def _bootstrap(request: Request) -> None:
    if peer(request) != "bootstrap":
        raise errors.Forbidden("bootstrap")


OnlyBootstrap = Depends(_bootstrap)
"""Routes for the holder of the root's file alone: who makes operators."""
