"""HTTP of users: what an administrator does, and the two routes of those who are invited."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response, status

from auth import inviting, revocation, user
from auth.office import TheOffice
from auth.store import challenge as challenge_store
from auth.store import login as login_store
from auth.store import session as session_store
from auth.store import user as store
from auth.user import Activation, Invite, Invited, User, UserChange, UserRow
from auth.visitor import Knock
from events.access import Action
from events.revocation import Revoked, RevokedKind
from guard import contract, errors, version
from guard.access import Access, EntryDoor
from guard.identity import Caller, may
from guard.page import Cursor, Limit, Page
from guard.version import IfMatch

router = APIRouter(tags=["users"])

MayInvite = Annotated[Caller, Depends(may(Action.USER_INVITE))]
MayListUsers = Annotated[Caller, Depends(may(Action.USER_LIST))]
MayReadUsers = Annotated[Caller, Depends(may(Action.USER_READ))]
MayReadSelf = Annotated[Caller, Depends(may(Action.USER_READ_OWN))]
MayUpdateUsers = Annotated[Caller, Depends(may(Action.USER_UPDATE))]
MayDeleteUsers = Annotated[Caller, Depends(may(Action.USER_DELETE))]

_LAST_ADMIN = "This is the last administrator."


@router.post("/v1/users", status_code=status.HTTP_201_CREATED, responses=contract.problems(errors.Conflict))
async def invite_user(
    body: Invite, caller: MayInvite, door: EntryDoor, office: TheOffice, response: Response
) -> Invited:
    # No Idempotency-Key: the answer holds a credential, and those are never stored (API.md).
    try:
        async with door.open(caller, Action.USER_INVITE) as access:
            invited = await inviting.invite(office, access, body)
    except inviting.Taken:
        await door.refuse(replace(caller, reason=caller.reason or inviting.TAKEN), Action.USER_INVITE)
        raise
    response.headers["ETag"] = version.etag(invited.user.version)
    response.headers["Cache-Control"] = "no-store"
    return invited


@router.post(
    "/v1/users/activate",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=contract.problems(errors.Unauthenticated),
)
async def activate_user(body: Activation, visitor: Knock, door: EntryDoor, office: TheOffice) -> None:
    await inviting.activate(office, door, visitor, body)


@router.post(
    "/v1/users/{user_id}/invitation",
    status_code=status.HTTP_201_CREATED,
    responses=contract.problems(errors.Conflict),
)
async def invite_again(user_id: UUID, caller: MayInvite, door: EntryDoor, response: Response) -> Invited:
    async with door.open(caller, Action.USER_INVITE) as access:
        row = await store.find(access, user_id)
        if row.status != "invited":
            raise errors.Conflict("Only a user who has not activated yet can be invited again.")
        token = await inviting.token(access, row)
        shown = user.reveal(row, await access.subject_key(user_id))
    response.headers["Cache-Control"] = "no-store"
    return Invited(user=shown, activation_token=token)


@router.get("/v1/users")
async def list_users(caller: MayListUsers, door: EntryDoor, limit: Limit, cursor: Cursor) -> Page[User]:
    before = cursor.after(UUID)
    async with door.open(caller, Action.USER_LIST) as access:
        rows, has_more = await store.newest(access, before, limit)
        keys = await access.subject_keys([row.user_id for row in rows])
        items = [user.reveal(row, keys[row.user_id]) for row in rows]
    return cursor.page(items, items[-1].id if has_more else None)


@router.get("/v1/users/me")
async def read_self(caller: MayReadSelf, door: EntryDoor, response: Response) -> User:
    async with door.open(caller, Action.USER_READ_OWN) as access:
        shown = await _shown(access, UUID(caller.id))
    response.headers["ETag"] = version.etag(shown.version)
    return shown


@router.get("/v1/users/{user_id}")
async def read_user(user_id: UUID, caller: MayReadUsers, door: EntryDoor, response: Response) -> User:
    async with door.open(caller, Action.USER_READ) as access:
        shown = await _shown(access, user_id)
    response.headers["ETag"] = version.etag(shown.version)
    return shown


async def _shown(access: Access, user_id: UUID) -> User:
    row = await store.find(access, user_id)
    return user.reveal(row, await access.subject_key(user_id))


@router.patch("/v1/users/{user_id}", responses=contract.problems(errors.Conflict))
async def change_user(
    user_id: UUID,
    body: UserChange,
    caller: MayUpdateUsers,
    door: EntryDoor,
    office: TheOffice,
    *,
    response: Response,
    if_match: IfMatch = None,
) -> User:
    async with door.open(caller, Action.USER_UPDATE) as access:
        old = await store.find(access, user_id)
        version.require(old.version, if_match)
        key = await access.subject_key(user_id)
        content = {**user.words(key, user_id, old.sealed), **body.model_dump(include={"name"}, exclude_unset=True)}
        new = replace(
            old,
            sealed=user.seal(key, user_id, email=content["email"], name=content["name"]),
            role=body.role or old.role,
            status=_status(old, body.status),
            version=old.version + 1,
        )
        await _keep_an_admin(access, old, new)
        if not await store.change(access, new, old.version):
            raise errors.Stale
        revoked = await _end_what_rests_on(access, old, new)
        shown = user.reveal(new, key)
    await office.herald.announce(revoked)
    response.headers["ETag"] = version.etag(shown.version)
    return shown


@router.delete(
    "/v1/users/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=contract.problems(errors.Conflict)
)
async def delete_user(
    user_id: UUID, caller: MayDeleteUsers, door: EntryDoor, office: TheOffice, if_match: IfMatch = None
) -> None:
    async with door.open(caller, Action.USER_DELETE) as access:
        row = await store.find(access, user_id)
        version.require(row.version, if_match)
        await _keep_an_admin(access, row, None)
        await store.lock(access, user_id)
        ended = await session_store.end_all(access, user_id)
        revoked = await revocation.end_sessions(access, ended)
        revoked.append(await revocation.revoke(access, RevokedKind.USER, user_id))
        await login_store.release(access, user_id)
        await store.remove(access, user_id)
        await access.forget([user_id])
    await office.herald.announce(revoked)


def _status(old: UserRow, asked: str | None) -> str:
    if asked is None or asked == old.status:
        return old.status
    if old.status == "invited":
        raise errors.Conflict("This user has not activated yet: delete it, or let it activate first.")
    return asked


async def _keep_an_admin(access: Access, old: UserRow, new: UserRow | None) -> None:
    was_admin = old.role == "admin" and old.status == "active"
    is_admin = new is not None and new.role == "admin" and new.status == "active"
    if was_admin and not is_admin and not await store.has_other_admin(access, old.user_id):
        raise errors.Conflict(_LAST_ADMIN)


async def _end_what_rests_on(access: Access, old: UserRow, new: UserRow) -> list[Revoked]:
    # Tokens carry the role: with another role, or none, they must not live on for their ten minutes.
    if (old.role, old.status) == (new.role, new.status):
        return []
    await challenge_store.end_all(access, new.user_id)
    ended = await session_store.end_all(access, new.user_id)
    revoked = await revocation.end_sessions(access, ended)
    if new.status == "disabled":
        revoked.append(await revocation.revoke(access, RevokedKind.USER, new.user_id))
    return revoked
