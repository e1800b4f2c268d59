"""Routes for workloads and operators, by their certificate; the gateway routes none of them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, status
from pydantic import BaseModel, Field

from auth import client, inviting, revocation
from auth.client import ClientRow, NewClient
from auth.office import TheOffice
from auth.operator import (
    HOLDABLE,
    OPERATOR_NAME,
    AnOperator,
    Deed,
    Grant,
    Granted,
    ListedClient,
    ListedClients,
    Look,
    NewOperator,
    OnlyBootstrap,
    Operator,
    Operators,
    RegisteredClient,
    because,
    held,
    refuse,
    require,
)
from auth.store import client as client_store
from auth.store import operator as store
from auth.store import revocation as revocation_store
from auth.store.operator import OperatorRow
from auth.token import LONGEST
from auth.user import Invite
from auth.visitor import Knock, deny, name_operator
from events.access import PLATFORM, Action
from events.revocation import RevokedKind
from events.topic import TOPICS
from events.uuid7 import uuid7
from guard import errors, tenant
from guard.access import EntryDoor
from guard.body import Body
from guard.identity import peer
from guard.rights import Right

router = APIRouter(prefix="/internal", include_in_schema=False)


class Question(Body):
    """A token that a service has verified, and cannot know to be alive: it has heard no heartbeat."""

    client_id: UUID
    session_id: UUID | None
    user_id: Annotated[str, Field(max_length=128)]
    kind: Literal["user", "operator"]
    issued_at: Annotated[int, Field(ge=0, le=2**37)]  # beyond that, a second is no time that can be written down


class Answer(BaseModel):
    """Whether the token still counts."""

    active: bool


async def _verifier(request: Request) -> None:
    # Whoever verifies tokens reads the topic of revocations: for all others the answer is none of their business.
    if peer(request) not in TOPICS[revocation.TOPIC].readers:
        raise errors.Forbidden("token:check")


@router.post("/tokens/check", dependencies=[Depends(_verifier)])
async def check_token(body: Question, door: EntryDoor) -> Answer:
    issued_at = datetime.fromtimestamp(body.issued_at, UTC)
    if body.kind == "operator":
        # The platform's own revocations: an operator is of no client.
        caller = door.door.service_caller(PLATFORM)
        async with tenant.transaction(door.door.pools.request, caller, door.door.seal_key) as connection:
            return Answer(active=await store.is_active(connection, PLATFORM, body.user_id, issued_at))
    if body.session_id is None or (user_id := _uuid(body.user_id)) is None:
        return Answer(active=False)
    # Not through the door: nothing of the client's is answered, and an event for each check would bury its log.
    caller = door.door.service_caller(body.client_id)
    async with tenant.transaction(door.door.pools.request, caller, door.door.seal_key) as connection:
        is_active = await revocation_store.is_active(connection, body.client_id, user_id, body.session_id, issued_at)
    return Answer(active=is_active)


@router.post("/operator-tokens", status_code=status.HTTP_201_CREATED)
async def grant(body: Grant, operator: AnOperator, visitor: Knock, door: EntryDoor, office: TheOffice) -> Granted:
    async with door.door.platform() as connection:
        is_client = await client_store.is_registered(connection, body.client_id)
    deed = Deed(Action.OPERATOR_GRANT, body.reason, body.client_id if is_client else PLATFORM)
    await require(door, visitor, operator.at_a_client(), deed, body.rights)
    if not is_client:
        await refuse(door, visitor, operator, deed, "no such client")
        raise errors.NotFound
    async with door.open(visitor.caller(door.door, body.client_id), Action.OPERATOR_GRANT) as access:
        name_operator(access, operator.name, body.reason)
        access.touch("client", body.client_id)
        # Once more, and held: what was read above may be gone, and a removal must not miss a token of this moment.
        asker = (await held(access, operator.name)).at_a_client()
        missing = asker.lacks(body.rights)
        if missing is None:
            token = await office.signer.mint(access.client_id, _claims(operator.name, body), LONGEST)
        else:
            deny(access, because(asker.why(missing), body.reason))
    if missing is not None:
        raise errors.Forbidden(missing)
    return Granted(access_token=token, expires_in=LONGEST)


def _claims(name: str, body: Grant) -> dict[str, object]:
    rights = sorted(set(body.rights))
    return {"sub": name, "kind": "operator", "label": name, "rights": rights, "reason": body.reason}


@router.post("/clients", status_code=status.HTTP_201_CREATED)
async def create_client(
    body: NewClient, operator: AnOperator, visitor: Knock, door: EntryDoor, office: TheOffice
) -> RegisteredClient:
    deed = Deed(Action.CLIENT_CREATE, "a client joins")
    await require(door, visitor, operator, deed, [Right.CLIENT_CREATE])
    client_id = uuid7(door.door.clock.now())
    try:
        async with door.open(visitor.caller(door.door, client_id), deed.action) as access:
            name_operator(access, operator.name, "the client joined")
            row = ClientRow(client_id, body.name, body.plan, client.at_first(), 1, access.now)
            await client_store.add(access, row)
            access.touch("client", client_id)
            admin = Invite(email=body.admin_email, name="Administrator", role="admin")
            invited = await inviting.invite(office, access, admin)
            await access.publish(client.TOPIC, str(client_id), row.registered(access.now))
    except inviting.Taken:
        await refuse(door, visitor, operator, deed, inviting.TAKEN)  # in the platform's log: no client has joined
        raise
    return RegisteredClient(
        client_id=client_id, admin_email=invited.user.email, activation_token=invited.activation_token
    )


# A `POST`, since a reason is anybody's words, and those are for no URL.
@router.post("/clients/list")
async def list_clients(body: Look, operator: AnOperator, visitor: Knock, door: EntryDoor) -> ListedClients:
    await require(door, visitor, operator, Deed(Action.CLIENT_LIST, body.reason), [Right.CLIENT_LIST])
    async with door.door.platform() as connection:
        found = await client_store.registered(connection, body.cursor, body.limit + 1)
    items = []
    # One by one, each through its own client's door and into its own log: no transaction sees two clients.
    for client_id in found[: body.limit]:
        async with door.open(visitor.caller(door.door, client_id), Action.CLIENT_LIST) as access:
            name_operator(access, operator.name, body.reason)
            access.touch("client", client_id)
            row = await client_store.find(access)
        if row is not None:
            shown = row.shown()
            items.append(ListedClient(client_id=client_id, name=row.name, plan=shown.plan, created_at=row.created_at))
    return ListedClients(items=items, next_cursor=found[body.limit - 1] if len(found) > body.limit else None)


# In the platform's own log, as the removal is: an operator is of no client.
@router.post("/operators", status_code=status.HTTP_201_CREATED, dependencies=[OnlyBootstrap])
async def register_operator(body: NewOperator, visitor: Knock, door: EntryDoor, office: TheOffice) -> Operator:
    rights = frozenset(HOLDABLE if body.rights is None else body.rights)
    revoked = []
    async with door.open(visitor.caller(door.door, PLATFORM), Action.OPERATOR_REGISTER) as access:
        await store.lock(access.connection, body.name)
        old = await store.find(access.connection, body.name)
        before = frozenset[str]() if old is None else frozenset(old.rights)
        access.touch("operator", body.name)
        access.caller = replace(access.caller, reason=_change(rights - before, before - rights))
        row = OperatorRow(body.name, tuple(sorted(rights)), access.now if old is None else old.created_at)
        await store.put(access.connection, row)
        if before - rights:
            # Tokens carry rights: those of before must not live on for their ten minutes.
            revoked.append(await revocation.revoke(access, RevokedKind.OPERATOR, body.name))
    await office.herald.announce(revoked)
    return _shown(row)


def _change(gained: Iterable[str], lost: Iterable[str]) -> str:
    said = [f"{word} {' '.join(sorted(rights))}" for word, rights in (("may", gained), ("may not", lost)) if rights]
    return "; ".join(said) or "the same rights"


@router.get("/operators", dependencies=[OnlyBootstrap])
async def list_operators(door: EntryDoor) -> Operators:
    async with door.door.platform() as connection:
        return Operators(items=[_shown(row) for row in await store.every(connection)])


@router.delete("/operators/{name}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[OnlyBootstrap])
async def remove_operator(
    name: Annotated[str, Path(pattern=OPERATOR_NAME)], visitor: Knock, door: EntryDoor, office: TheOffice
) -> None:
    async with door.open(visitor.caller(door.door, PLATFORM, "removed"), Action.OPERATOR_REVOKE) as access:
        access.touch("operator", name)
        await store.lock(access.connection, name)
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
