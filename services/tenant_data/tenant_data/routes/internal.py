"""For services that keep something of a call, by their certificate; the gateway routes none of this."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from events.topic import TOPICS
from guard import errors, tenant
from guard.access import EntryDoor
from guard.body import Body
from guard.identity import peer
from tenant_data.store import call as store

router = APIRouter(prefix="/internal", include_in_schema=False)


class Question(Body):
    """Calls of a client, of which the asker keeps something."""

    client_id: UUID
    call_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class Answer(BaseModel):
    """Those that were deleted. One that is in neither place, or another client's, is not among them."""

    client_id: UUID
    deleted: list[UUID]


async def _keeper(request: Request) -> None:
    # Whoever is told of each deletion by event may ask what it missed: for all others it is none of their business.
    if peer(request) not in TOPICS["tenant_data.calls"].readers:
        raise errors.Forbidden("call:deleted")


@router.post("/calls/deleted", dependencies=[Depends(_keeper)])
async def name_deleted(body: Question, door: EntryDoor) -> Answer:
    # Not through the door: of what is there nothing is answered, the deletion itself is in the client's log, and an
    # event for each question would bury it.
    caller = door.door.service_caller(body.client_id)
    async with tenant.transaction(door.door.pools.request, caller, door.door.seal_key) as connection:
        deleted = await store.deleted_among(connection, body.client_id, body.call_ids)
    return Answer(client_id=body.client_id, deleted=deleted)
