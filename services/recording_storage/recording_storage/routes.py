"""HTTP of recordings. Each route's signature is its policy; each access goes through the one door."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response, status

from events.access import Action, Resource
from guard import contract, errors, http
from guard.access import EntryDoor
from guard.idempotency import IdempotencyKey
from guard.identity import Caller, may
from guard.page import Cursor, Limit, Page
from recording_storage import content_digest, hold, playing, removal, upload
from recording_storage.archive import PLAYS, UPLOADS, TheArchive
from recording_storage.audio import TYPES
from recording_storage.playing import Playing
from recording_storage.recording import Recording, Why, reveal
from recording_storage.removal import Receipt
from recording_storage.store import recording as store

router = APIRouter(tags=["recordings"])

MayCreateRecordings = Annotated[Caller, Depends(may(Action.RECORDING_CREATE))]
MayListRecordings = Annotated[Caller, Depends(may(Action.RECORDING_LIST))]
MayReadRecordings = Annotated[Caller, Depends(may(Action.RECORDING_READ))]
MayPlayRecordings = Annotated[Caller, Depends(may(Action.RECORDING_PLAY))]
MayDeleteRecordings = Annotated[Caller, Depends(may(Action.RECORDING_DELETE))]
MayHoldRecordings = Annotated[Caller, Depends(may(Action.RECORDING_HOLD))]
MayReleaseRecordings = Annotated[Caller, Depends(may(Action.RECORDING_RELEASE))]

AUDIO: dict[str, Any] = contract.binary(*TYPES)
STREAMED = {("POST", "/v1/calls/{call_id}/recordings"): upload.MOST}
NEWEST = store.Place(datetime.max.replace(tzinfo=UTC), UUID(int=0))  # above all: the first page begins here


async def _place_to_upload(archive: TheArchive, caller: MayCreateRecordings) -> AsyncIterator[None]:
    # Before a byte of the body is read, and before tenant_data is asked. Given back by FastAPI when the answer has
    # ended, however it did.
    with archive.uploads.taken(caller.client_id):
        yield


async def _place_to_play(archive: TheArchive, caller: MayPlayRecordings) -> AsyncIterator[None]:
    with archive.plays.taken(caller.client_id):
        yield


@router.post(
    "/v1/calls/{call_id}/recordings",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(_place_to_upload)],
    description=str(UPLOADS),
    openapi_extra={"requestBody": {"required": True, "content": AUDIO}},
)
async def create_recording(
    *,
    call_id: UUID,
    caller: MayCreateRecordings,
    door: EntryDoor,
    archive: TheArchive,
    request: Request,
    once: IdempotencyKey = None,
    content_digest_field: Annotated[str | None, Header(alias="Content-Digest")] = None,
) -> Recording:
    media = upload.media_type(request.headers.get("content-type", ""))
    digest = content_digest.announced(content_digest_field)
    try:
        guest_id = await archive.calls.guest_of(call_id, http.on_behalf(request))
    except (errors.NotFound, errors.Forbidden):  # also who may upload and may not read calls
        await door.refuse(caller, Action.RECORDING_CREATE, Resource(type="call", id=str(call_id)))
        raise
    order = upload.Order(caller, call_id, guest_id, media, digest, once)
    return await upload.receive(archive, door, order, request.stream())


@router.get("/v1/recordings")
async def list_recordings(
    caller: MayListRecordings, door: EntryDoor, limit: Limit, cursor: Cursor, call_id: UUID | None = None
) -> Page[Recording]:
    before = cursor.after(store.Place) or NEWEST
    async with door.open(caller, Action.RECORDING_LIST) as access:
        if call_id is None:
            rows = await store.list_recordings(access, before, limit)
        else:
            rows = await store.list_recordings_of_call(access, call_id, before, limit)
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return cursor.page([reveal(row) for row in shown], last and store.Place(last.created_at, last.recording_id))


@router.get("/v1/recordings/{recording_id}")
async def read_recording(recording_id: UUID, caller: MayReadRecordings, door: EntryDoor) -> Recording:
    async with door.open(caller, Action.RECORDING_READ) as access:
        return reveal(await store.find_recording(access, recording_id))


@router.delete(
    "/v1/recordings/{recording_id}",
    status_code=status.HTTP_202_ACCEPTED,
    responses=contract.problems(errors.Conflict),
)
async def delete_recording(
    recording_id: UUID, caller: MayDeleteRecordings, door: EntryDoor, archive: TheArchive
) -> Receipt:
    return await removal.remove(archive, door, caller, recording_id)


@router.head("/v1/recordings/{recording_id}/audio", response_class=Response)
async def look_at_audio(recording_id: UUID, caller: MayPlayRecordings, door: EntryDoor) -> Response:
    # Of a player, before it plays: nothing is heard, so it is a read. `Range` is for GET alone (RFC 9110, 14.2).
    async with door.open(caller, Action.RECORDING_READ) as access:
        row = await store.find_recording(access, recording_id)
    return Response(headers=playing.headers(row, None))


@router.get(
    "/v1/recordings/{recording_id}/audio",
    response_class=Response,
    dependencies=[Depends(_place_to_play)],
    description=str(PLAYS),
    responses={
        200: {"content": AUDIO},
        206: {"description": "The part that was asked for", "content": AUDIO},
        **contract.problems(errors.Unsatisfiable),
    },
)
async def play_recording(
    *,
    recording_id: UUID,
    caller: MayPlayRecordings,
    door: EntryDoor,
    archive: TheArchive,
    part: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header(alias="If-Range")] = None,
) -> Response:
    order = await playing.admit(archive, door, caller, recording_id, playing.Asked(part, if_range))
    answer = Playing(archive, door, order)
    await answer.begin()
    return answer


@router.put("/v1/recordings/{recording_id}/legal-hold")
async def place_hold(recording_id: UUID, why: Why, caller: MayHoldRecordings, door: EntryDoor) -> Recording:
    async with door.open(caller, Action.RECORDING_HOLD) as access:
        return await hold.place(access, recording_id, why.reason)


@router.delete("/v1/recordings/{recording_id}/legal-hold", status_code=status.HTTP_204_NO_CONTENT)
async def lift_hold(
    recording_id: UUID, why: Why, caller: MayReleaseRecordings, door: EntryDoor, archive: TheArchive
) -> None:
    async with door.open(caller, Action.RECORDING_RELEASE) as access:
        await hold.lift(access, recording_id, why.reason)
    archive.wake_sweep()
