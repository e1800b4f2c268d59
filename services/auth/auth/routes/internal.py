"""Routes for workloads and operators, by their certificate; the gateway routes none of them."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, status
from pydantic import BaseModel, Field

from auth import client, inviting, revocation
from auth.client import ClientRow, NewClient
from auth.office import TheOffice
from auth.operator import (
    GRANTABLE,
    AnOperator,
    Grant,
    Granted,
    ListedClient,
    ListedClients,
    NewOperator,
    OnlyBootstrap,
    Operator,
    Operators,
    RegisteredClient,
)
from auth.store import client as client_store
from auth.store import operator as store
from auth.store import revocation as revocation_store
from auth.store.operator import OperatorRow
from auth.token import LONGEST
from auth.user import Invite
from auth.visitor import Knock, name_operator
from events.access import PLATFORM, Action
from events.revocation import RevokedKind
from events.uuid7 import uuid7
from guard import errors, tenant
from guard.access import EntryDoor
from guard.body import Body
from guard.identity import Workload

router = APIRouter(prefix="/internal", include_in_schema=False)


class Question(Body):
    """A token that a service has verified, and cannot know to be alive: it has heard no heartbeat."""

    client_id: UUID
    session_id: UUID | None
    user_id: Annotated[str, Field(max_length=128)]
    kind: Literal["user", "operator"]
    issued_at: Annotated[int, Field(ge=0, le=2**40)]


class Answer(BaseModel):
    """Whether the token still counts."""

    active: bool


@router.post("/tokens/check")
async def check_token(body: Question, _peer: Workload, door: EntryDoor) -> Answer:
    issued_at = datetime.fromtimestamp(body.issued_at, UTC)
    if body.kind == "operator":
        async with door.door.platform() as connection:
            return Answer(active=await store.find(connection, body.user_id) is not None)
    if body.session_id is None or (user_id := _uuid(body.user_id)) is None:
        return Answer(active=False)
    # Not through the door: nothing of the client's is answered, and an event for each check would bury its log.
    caller = door.door.service_caller(body.client_id)
    async with tenant.transaction(door.door.pools.request, caller, door.door.seal_key) as connection:
        is_active = await revocation_store.is_active(connection, body.client_id, user_id, body.session_id, issued_at)
    return Answer(active=is_active)


@router.post("/operator-tokens", status_code=status.HTTP_201_CREATED)
async def grant(body: Grant, operator: AnOperator, visitor: Knock, door: EntryDoor, office: TheOffice) -> Granted:
    for right in body.rights:
        if right not in operator.rights or right not in GRANTABLE:
            raise errors.Forbidden(right)
    async with door.open(visitor.caller(door.door, body.client_id), Action.OPERATOR_GRANT) as access:
        if await client_store.find(access) is None:
            raise errors.NotFound  # no such client: there is no log to write in
        name_operator(access, operator.name, body.reason)
        access.touch("client", body.client_id)
        rights = sorted(set(body.rights))
        claims = {
            "sub": operator.name,
            "kind": "operator",
            "label": operator.name,
            "rights": rights,
            "reason": body.reason,
        }
        token = await office.signer.mint(access.client_id, claims, LONGEST)
    return Granted(access_token=token, expires_in=LONGEST)


@router.post("/clients", status_code=status.HTTP_201_CREATED)
async def create_client(
    body: NewClient, operator: AnOperator, visitor: Knock, door: EntryDoor, office: TheOffice
) -> RegisteredClient:
    client_id = uuid7(door.door.clock.now())
    async with door.open(visitor.caller(door.door, client_id), Action.CLIENT_CREATE) as access:
        name_operator(access, operator.name, "the client joined")
        row = ClientRow(client_id, body.name, body.plan, client.at_first(), 1, access.now)
        await client_store.add(access, row)
        access.touch("client", client_id)
        admin = Invite(email=body.admin_email, name="Administrator", role="admin")
        invited = await inviting.invite(office, access, admin)
        await access.publish(client.TOPIC, str(client_id), row.registered(access.now))
    return RegisteredClient(
        client_id=client_id, admin_email=invited.user.email, activation_token=invited.activation_token
    )


@router.get("/clients")
async def list_clients(
    operator: AnOperator, visitor: Knock, door: EntryDoor,
    limit: Annotated[int, Query(ge=1, le=200)] = 200, cursor: UUID | None = None,
) -> ListedClients:  # fmt: skip
    async with door.door.platform() as connection:
        found = await client_store.registered(connection, cursor, limit + 1)
    items = []
    # One by one, each through its own client's door and into its own log: no transaction sees two clients.
    for client_id in found[:limit]:
        async with door.open(visitor.caller(door.door, client_id), Action.CLIENT_LIST) as access:
            name_operator(access, operator.name, "the list of clients")
            access.touch("client", client_id)
            row = await client_store.find(access)
        if row is not None:
            shown = row.shown()
            items.append(ListedClient(client_id=client_id, name=row.name, plan=shown.plan, created_at=row.created_at))
    return ListedClients(items=items, next_cursor=found[limit - 1] if len(found) > limit else None)


@router.post("/operators", status_code=status.HTTP_201_CREATED, dependencies=[OnlyBootstrap])
async def register_operator(body: NewOperator, door: EntryDoor) -> Operator:
    rights = tuple(sorted(GRANTABLE if body.rights is None else set(body.rights)))
    async with door.door.platform() as connection:
        await store.put(connection, OperatorRow(body.name, rights, door.door.clock.now()))
        row = await store.find(connection, body.name)
    if row is None:
        raise errors.NotFound
    return _shown(row)


@router.get("/operators", dependencies=[OnlyBootstrap])
async def list_operators(door: EntryDoor) -> Operators:
    async with door.door.platform() as connection:
        return Operators(items=[_shown(row) for row in await store.every(connection)])


@router.delete("/operators/{name}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[OnlyBootstrap])
async def remove_operator(name: str, visitor: Knock, door: EntryDoor, office: TheOffice) -> None:
    # In the platform's own log: an operator is of no client, and its tokens end at all of them.
    async with door.open(visitor.caller(door.door, PLATFORM, "removed"), Action.OPERATOR_REVOKE) as access:
        access.touch("operator", name)
        if await store.find(access.connection, name) is None:
            access.missed("operator", name)
        await store.remove(access.connection, name)
        revoked = [await revocation.revoke(access, RevokedKind.OPERATOR, name)]
    await office.herald.announce(revoked)


def _shown(row: OperatorRow) -> Operator:
    return Operator.model_validate({"name": row.name, "rights": row.rights, "created_at": row.created_at})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
