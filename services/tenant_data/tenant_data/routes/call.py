"""HTTP of calls. A call answers for its guest: who moves it to another person moves its words there too."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response, status
from fastapi.responses import JSONResponse

from events.access import Action
from events.call import CallAssigned, CallDeleted
from events.uuid7 import uuid7
from guard import contract, errors, idempotency, version
from guard.access import Access, EntryDoor
from guard.idempotency import Earlier, IdempotencyKey
from guard.identity import Caller, may
from guard.keys import SubjectKey
from guard.moment import EARLIEST, LATEST, Moment
from guard.page import Cursor, Limit, Page
from guard.version import IfMatch
from tenant_data import call, transcript
from tenant_data.call import Call, CallChange, CallRow, DeletedCall, NewCall
from tenant_data.store import call as store
from tenant_data.store import guest as guest_store
from tenant_data.store import held_recording
from tenant_data.store import transcript as transcript_store

router = APIRouter(tags=["calls"])

MayCreateCalls = Annotated[Caller, Depends(may(Action.CALL_CREATE))]
MayListCalls = Annotated[Caller, Depends(may(Action.CALL_LIST))]
MayReadCalls = Annotated[Caller, Depends(may(Action.CALL_READ))]
MayUpdateCalls = Annotated[Caller, Depends(may(Action.CALL_UPDATE))]
MayDeleteCalls = Annotated[Caller, Depends(may(Action.CALL_DELETE))]

From = Annotated[Moment | None, Query(alias="from")]
To = Annotated[Moment | None, Query(alias="to")]

LATEST_CALL = (LATEST, UUID(int=2**128 - 1))  # above every call: the first page begins here


@router.post("/v1/calls", status_code=status.HTTP_201_CREATED, responses=contract.problems(errors.NotFound))
async def create_call(
    body: NewCall, caller: MayCreateCalls, door: EntryDoor, response: Response, once: IdempotencyKey = None
) -> Call:
    async with door.open(caller, Action.CALL_CREATE) as access:
        created = await _recalled(access, once, body) or await _created(access, once, body)
    response.headers["ETag"] = version.etag(created.version)
    return created


async def _recalled(access: Access, once: str | None, body: NewCall) -> Call | None:
    earlier = await idempotency.recall(access, once, body)
    if earlier is None:
        return None
    answer = Call.model_validate(earlier.answer)
    access.touch("call", answer.id, answer.guest_id)
    return answer


async def _created(access: Access, once: str | None, body: NewCall) -> Call:
    call_id = uuid7(access.now)
    if body.guest_id is None:
        key = await access.new_subject_key(call_id)
    else:
        key = await guest_store.hold_guest(access, body.guest_id)
    await store.insert_call(access, call_id, body, call.seal(body, call_id, key))
    created = call.known(call_id, body, 1, access.now)
    answer = Earlier(call.TABLE, call_id, body.guest_id or call_id, created.model_dump(mode="json"))
    await idempotency.remember(access, once, body, answer)
    return created


@router.get("/v1/calls")
async def list_calls(
    *,
    caller: MayListCalls,
    door: EntryDoor,
    limit: Limit,
    cursor: Cursor,
    guest_id: UUID | None = None,
    since: From = None,
    until: To = None,
) -> Page[Call]:
    before = cursor.after(tuple[datetime, UUID]) or LATEST_CALL
    within = {"since": since or EARLIEST, "until": until or LATEST}
    async with door.open(caller, Action.CALL_LIST) as access:
        if guest_id is None:
            rows = await store.list_calls(access, **within, before=before, limit=limit)
        else:
            rows = await store.list_calls_of_guest(access, guest_id, **within, before=before, limit=limit)
        shown = rows[:limit]
        last = (shown[-1].started_at, shown[-1].call_id) if len(rows) > limit else None
        return cursor.page([call.reveal(row) for row in shown], last)


@router.get("/v1/calls/{call_id}")
async def read_call(call_id: UUID, caller: MayReadCalls, door: EntryDoor, response: Response) -> Call:
    async with door.open(caller, Action.CALL_READ) as access:
        read = call.reveal(await store.find_call(access, call_id))
    response.headers["ETag"] = version.etag(read.version)
    return read


@router.patch("/v1/calls/{call_id}")
async def change_call(
    *,
    call_id: UUID,
    change: CallChange,
    caller: MayUpdateCalls,
    door: EntryDoor,
    response: Response,
    if_match: IfMatch = None,
) -> Call:
    async with door.open(caller, Action.CALL_UPDATE) as access:
        # The guest first, then the call: the order in which an erasure locks them. The other way round is a deadlock.
        guest_key = await guest_store.hold_guest(access, change.guest_id) if change.guest_id else None
        row = await store.lock_call(access, call_id)
        version.require(row.version, if_match)
        changed = call.merge(call.reveal(row), change)
        key = row.key if changed.guest_id == row.guest_id else await _moved(access, row, changed.guest_id, guest_key)
        await store.update_call(access, call_id, changed, call.seal(changed, call_id, key))
    response.headers["ETag"] = version.etag(row.version + 1)
    return call.known(call_id, changed, row.version + 1, row.created_at)


async def _moved(access: Access, row: CallRow, guest_id: UUID | None, guest_key: SubjectKey | None) -> SubjectKey:
    """The key of the call's new subject, under which its transcript is sealed again; what was its own is forgotten.

    Whoever else holds something of the call is told.
    """
    key = guest_key or await access.new_subject_key(row.call_id)
    words = await transcript_store.find_transcript(access, row.call_id)
    if words is not None:
        sealed = transcript.reseal(words, key)
        await transcript_store.reseal_transcript(access, row.call_id, guest_id, sealed)
    # Sealed for the subject that the call leaves: the erasure of the new one would not reach it.
    await idempotency.forget(access, call.TABLE, [row.call_id])
    if row.guest_id is None:
        await access.forget([row.call_id])
    await held_recording.move_held(access, row.call_id, guest_id)
    moved = CallAssigned(client_id=access.client_id, call_id=row.call_id, guest_id=guest_id, at=access.now)
    await access.publish("tenant_data.calls", str(access.client_id), moved)
    return key


@router.delete(
    "/v1/calls/{call_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_model=None,
    responses={status.HTTP_200_OK: {"model": DeletedCall, "description": "Deleted; what a legal hold keeps is named"}},
)
async def delete_call(
    call_id: UUID, caller: MayDeleteCalls, door: EntryDoor, if_match: IfMatch = None
) -> JSONResponse | None:
    async with door.open(caller, Action.CALL_DELETE) as access:
        row = await store.lock_call(access, call_id)
        version.require(row.version, if_match)
        await transcript_store.delete_transcript(access, call_id, row.guest_id)
        await store.delete_call(access, call_id)
        await idempotency.forget(access, call.TABLE, [call_id])
        if row.guest_id is None:
            await access.forget([call_id])
        gone = CallDeleted(client_id=access.client_id, call_id=call_id, at=access.now)
        await access.publish("tenant_data.calls", str(access.client_id), gone)
        kept = await held_recording.held_of_call(access, call_id)
    return JSONResponse(DeletedCall(id=call_id, kept=kept).model_dump(mode="json")) if kept else None
