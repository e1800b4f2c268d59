"""HTTP of sessions: the routes without a token, and those of a session's owner."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response, status

from auth import pair, revocation, session, sign_in
from auth.office import TheOffice
from auth.session import ChallengeAnswer, Challenged, Refresh, Session, SignedIn, SignIn, Tokens
from auth.store import session as store
from auth.visitor import Knock
from events.access import Action
from events.revocation import Revoked
from guard import contract, errors
from guard.access import Access, EntryDoor
from guard.identity import Caller, may
from guard.page import Cursor, Limit, Page

router = APIRouter(tags=["sessions"])

MayListSessions = Annotated[Caller, Depends(may(Action.SESSION_LIST))]
MayEndSessions = Annotated[Caller, Depends(may(Action.SESSION_REVOKE))]


@router.post(
    "/v1/sessions",
    status_code=status.HTTP_201_CREATED,
    responses={202: {"model": Challenged}, **contract.problems(errors.Unauthenticated)},
)
async def create_session(
    body: SignIn, visitor: Knock, door: EntryDoor, office: TheOffice, response: Response
) -> SignedIn | Challenged:
    answer = await sign_in.with_password(office, door, visitor, body)
    response.headers["Cache-Control"] = "no-store"
    if isinstance(answer, Challenged):
        response.status_code = status.HTTP_202_ACCEPTED
    return answer


@router.post(
    "/v1/sessions/challenge",
    status_code=status.HTTP_201_CREATED,
    responses=contract.problems(errors.Unauthenticated),
)
async def answer_challenge(
    body: ChallengeAnswer, visitor: Knock, door: EntryDoor, office: TheOffice, response: Response
) -> SignedIn:
    response.headers["Cache-Control"] = "no-store"
    return await sign_in.with_code(office, door, visitor, body)


@router.post("/v1/sessions/refresh", responses=contract.problems(errors.Unauthenticated))
async def refresh_session(
    body: Refresh, visitor: Knock, door: EntryDoor, office: TheOffice, response: Response
) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return await pair.refresh(office, door, visitor, body.refresh_token)


@router.get("/v1/sessions")
async def list_sessions(caller: MayListSessions, door: EntryDoor, limit: Limit, cursor: Cursor) -> Page[Session]:
    user_id = UUID(caller.id)
    before = cursor.after(UUID)
    async with door.open(caller, Action.SESSION_LIST) as access:
        rows = await store.live(access, user_id, before, limit + 1)
        keys = await access.subject_keys([user_id])
        access.touch_none()
        items = [session.reveal(row, keys[user_id], caller.session_id) for row in rows[:limit]]
        for item in items:
            access.touch("session", item.id)
    return cursor.page(items, items[-1].id if len(rows) > limit else None)


# Before the route with an id: `current` is a word, not an id.
@router.delete("/v1/sessions/current", status_code=status.HTTP_204_NO_CONTENT)
async def end_current_session(caller: MayEndSessions, door: EntryDoor, office: TheOffice) -> None:
    async with door.open(caller, Action.SESSION_REVOKE) as access:
        revoked = await _end(access, caller, caller.session_id or UUID(int=0))
    await office.herald.announce(revoked)


@router.delete("/v1/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def end_session(session_id: UUID, caller: MayEndSessions, door: EntryDoor, office: TheOffice) -> None:
    async with door.open(caller, Action.SESSION_REVOKE) as access:
        revoked = await _end(access, caller, session_id)
    await office.herald.announce(revoked)


@router.delete("/v1/sessions", status_code=status.HTTP_204_NO_CONTENT)
async def end_other_sessions(caller: MayEndSessions, door: EntryDoor, office: TheOffice) -> None:
    async with door.open(caller, Action.SESSION_REVOKE) as access:
        ended = await store.end_all(access, UUID(caller.id), but=caller.session_id)
        access.touch_none()
        revoked = await revocation.end_sessions(access, ended)
    await office.herald.announce(revoked)


async def _end(access: Access, caller: Caller, session_id: UUID) -> list[Revoked]:
    if not await store.end(access, UUID(caller.id), session_id):
        access.missed("session", session_id)
    return await revocation.end_sessions(access, [session_id])
