"""HTTP of the access log. Reading it is an access like any other, and stands in it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from audit import delivery, store
from audit.access_event import LogEntry
from audit.delivery import EXPORTS, Delivery, Order
from audit.export import Format
from audit.search import Search, SearchBody, asked
from events.access import AccessEvent, Action
from guard.access import EntryDoor
from guard.identity import Caller, may
from guard.page import Cursor, Limit, Page
from guard.places import Places
from guard.revocation import Revocations

router = APIRouter(tags=["access events"])

MayListEvents = Annotated[Caller, Depends(may(Action.ACCESS_EVENT_LIST))]
MaySearchEvents = Annotated[Caller, Depends(may(Action.ACCESS_EVENT_SEARCH))]
MayExportEvents = Annotated[Caller, Depends(may(Action.ACCESS_EVENT_EXPORT))]
MayReadEvents = Annotated[Caller, Depends(may(Action.ACCESS_EVENT_READ))]
FILE: dict[str, Any] = {kind.media_type.partition(";")[0]: {"schema": {"type": "string"}} for kind in Format}
Asked = Annotated[Search, Depends(asked)]


async def _revocations(request: Request) -> Revocations:
    revocations: Revocations = request.app.state.runtime.revocations
    return revocations


Revoked = Annotated[Revocations, Depends(_revocations)]


async def _place(request: Request, caller: MayExportEvents) -> AsyncIterator[None]:
    # Given back by FastAPI when the answer has ended, however it did: also when its reader leaves, or nothing is sent.
    places: Places = request.app.state.places
    with places.taken(caller.client_id):
        yield


@router.get("/v1/access-events")
async def list_events(
    caller: MayListEvents, door: EntryDoor, search: Asked, limit: Limit, cursor: Cursor
) -> Page[LogEntry]:
    within = search.older_than(cursor.after(UUID))
    async with door.open(caller, Action.ACCESS_EVENT_LIST) as access:
        events, has_more = await store.list_events(access, within, limit)
    return _page(events, cursor, has_more=has_more)


@router.post("/v1/access-events/search")
async def search_events(
    body: SearchBody, caller: MaySearchEvents, door: EntryDoor, limit: Limit, cursor: Cursor
) -> Page[LogEntry]:
    within = body.search().older_than(cursor.after(UUID))
    async with door.open(caller, Action.ACCESS_EVENT_SEARCH) as access:
        events, has_more = await store.list_events(access, within, limit)
    return _page(events, cursor, has_more=has_more)


def _page(events: list[AccessEvent], cursor: Cursor, *, has_more: bool) -> Page[LogEntry]:
    return cursor.page([LogEntry.of(event) for event in events], events[-1].event_id if has_more else None)


@router.get(
    "/v1/access-events/export",
    response_class=StreamingResponse,
    responses={200: {"content": FILE}},
    dependencies=[Depends(_place)],
    description=str(EXPORTS),
)
async def export_events(
    *,
    caller: MayExportEvents,
    door: EntryDoor,
    revoked: Revoked,
    search: Asked,
    kind: Annotated[Format, Query(alias="format")],
) -> StreamingResponse:
    # The admission and the first page in one transaction: what cannot be had is a 503, not a file that breaks off.
    async with door.open(caller, Action.ACCESS_EVENT_EXPORT) as access:
        first = await delivery.page_of(access.connection, access.client_id, search)
        access.touch("export", access.event_id)
    return Delivery(door.door, revoked, Order(caller, search, kind, access.event_id), first)


@router.get("/v1/access-events/{event_id}")
async def read_event(event_id: UUID, caller: MayReadEvents, door: EntryDoor) -> LogEntry:
    async with door.open(caller, Action.ACCESS_EVENT_READ) as access:
        event = await store.find_event(access, event_id)
    return LogEntry.of(event)
