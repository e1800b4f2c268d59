"""HTTP of transcripts: one for each call, replaced as a whole."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response, status

from events.access import Action
from guard import version
from guard.access import EntryDoor
from guard.identity import Caller, may
from guard.version import IfMatch
from tenant_data import transcript
from tenant_data.store import call as call_store
from tenant_data.store import transcript as store
from tenant_data.transcript import Transcript, TranscriptContent

router = APIRouter(tags=["transcripts"])

MayWriteTranscripts = Annotated[Caller, Depends(may(Action.TRANSCRIPT_WRITE))]
MayReadTranscripts = Annotated[Caller, Depends(may(Action.TRANSCRIPT_READ))]
MayDeleteTranscripts = Annotated[Caller, Depends(may(Action.TRANSCRIPT_DELETE))]


@router.put("/v1/calls/{call_id}/transcript", responses={status.HTTP_201_CREATED: {"model": Transcript}})
async def put_transcript(
    *,
    call_id: UUID,
    content: TranscriptContent,
    caller: MayWriteTranscripts,
    door: EntryDoor,
    response: Response,
    if_match: IfMatch = None,
) -> Transcript:
    async with door.open(caller, Action.TRANSCRIPT_WRITE) as access:
        guest_id = await call_store.hold_call(access, call_id)
        before = await store.find_transcript(access, call_id)
        version.require(before.version if before else None, if_match)
        if before is None:
            key = await access.subject_key(guest_id or call_id)
            await store.insert_transcript(access, call_id, guest_id, transcript.seal(content, call_id, key))
            put = transcript.known(call_id, content, 1, access.now)
            response.status_code = status.HTTP_201_CREATED
        else:
            await store.update_transcript(access, call_id, transcript.seal(content, call_id, before.key))
            put = transcript.known(call_id, content, before.version + 1, before.created_at)
    response.headers["ETag"] = version.etag(put.version)
    return put


@router.get("/v1/calls/{call_id}/transcript")
async def read_transcript(call_id: UUID, caller: MayReadTranscripts, door: EntryDoor, response: Response) -> Transcript:
    async with door.open(caller, Action.TRANSCRIPT_READ) as access:
        row = await store.find_transcript(access, call_id)
        if row is None:
            access.missed("transcript", call_id)
        read = transcript.reveal(row)
    response.headers["ETag"] = version.etag(read.version)
    return read


@router.delete("/v1/calls/{call_id}/transcript", status_code=status.HTTP_204_NO_CONTENT)
async def delete_transcript(
    call_id: UUID, caller: MayDeleteTranscripts, door: EntryDoor, if_match: IfMatch = None
) -> None:
    async with door.open(caller, Action.TRANSCRIPT_DELETE) as access:
        guest_id = await call_store.hold_call(access, call_id)
        row = await store.find_transcript(access, call_id)
        if row is None:
            access.missed("transcript", call_id)
        version.require(row.version, if_match)
        await store.delete_transcript(access, call_id, guest_id)
