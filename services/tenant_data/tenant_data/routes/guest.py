"""HTTP of guests. Each route's signature is its policy; each access goes through the one door, `Access`."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response, status

from events.access import Action
from events.call import CallDeleted
from events.guest import GuestErased
from events.uuid7 import uuid7
from guard import idempotency, version
from guard.access import Access, EntryDoor
from guard.idempotency import Earlier, IdempotencyKey
from guard.identity import Caller, may
from guard.page import Cursor, Limit, Page
from guard.version import IfMatch
from tenant_data import call, guest
from tenant_data.guest import ErasedGuest, Guest, GuestChange, GuestContent, GuestRow, GuestSearch
from tenant_data.store import call as call_store
from tenant_data.store import guest as store
from tenant_data.store import held_recording

router = APIRouter(tags=["guests"])

MayCreateGuests = Annotated[Caller, Depends(may(Action.GUEST_CREATE))]
MayListGuests = Annotated[Caller, Depends(may(Action.GUEST_LIST))]
MaySearchGuests = Annotated[Caller, Depends(may(Action.GUEST_SEARCH))]
MayReadGuests = Annotated[Caller, Depends(may(Action.GUEST_READ))]
MayUpdateGuests = Annotated[Caller, Depends(may(Action.GUEST_UPDATE))]
MayDeleteGuests = Annotated[Caller, Depends(may(Action.GUEST_DELETE))]

NEWEST = UUID(int=2**128 - 1)  # above every id: the first page begins here


@router.post("/v1/guests", status_code=status.HTTP_201_CREATED)
async def create_guest(
    content: GuestContent, caller: MayCreateGuests, door: EntryDoor, response: Response, once: IdempotencyKey = None
) -> Guest:
    async with door.open(caller, Action.GUEST_CREATE) as access:
        created = await _recalled(access, once, content) or await _created(access, once, content)
    response.headers["ETag"] = version.etag(created.version)
    return created


async def _recalled(access: Access, once: str | None, content: GuestContent) -> Guest | None:
    earlier = await idempotency.recall(access, once, content)
    if earlier is None:
        return None
    access.touch("guest", earlier.resource_id)
    return Guest.model_validate(earlier.answer)


async def _created(access: Access, once: str | None, content: GuestContent) -> Guest:
    guest_id = uuid7(access.now)
    key = await access.new_subject_key(guest_id)
    await store.insert_guest(access, guest_id, guest.seal(content, guest_id, key))
    await store.insert_digests(access, guest_id, await _digests(access, content))
    created = guest.known(guest_id, content, 1, access.now)
    answer = Earlier(guest.TABLE, guest_id, guest_id, created.model_dump(mode="json"))
    await idempotency.remember(access, once, content, answer)
    return created


@router.get("/v1/guests")
async def list_guests(caller: MayListGuests, door: EntryDoor, limit: Limit, cursor: Cursor) -> Page[Guest]:
    before = cursor.after(UUID) or NEWEST
    async with door.open(caller, Action.GUEST_LIST) as access:
        rows = await store.list_guests(access, before, limit)
        return _page(cursor, rows, limit)


@router.post("/v1/guests/search")
async def search_guests(
    search: GuestSearch, caller: MaySearchGuests, door: EntryDoor, limit: Limit, cursor: Cursor
) -> Page[Guest]:
    before = cursor.after(UUID) or NEWEST
    async with door.open(caller, Action.GUEST_SEARCH) as access:
        digests = await _digests(access, search)
        rows = await store.search_guests(access, list(digests.values()), before, limit)
        return _page(cursor, rows, limit)


def _page(cursor: Cursor, rows: Sequence[GuestRow], limit: int) -> Page[Guest]:
    shown = rows[:limit]
    return cursor.page([guest.reveal(row) for row in shown], shown[-1].guest_id if len(rows) > limit else None)


@router.get("/v1/guests/{guest_id}")
async def read_guest(guest_id: UUID, caller: MayReadGuests, door: EntryDoor, response: Response) -> Guest:
    async with door.open(caller, Action.GUEST_READ) as access:
        read = guest.reveal(await store.find_guest(access, guest_id))
    response.headers["ETag"] = version.etag(read.version)
    return read


@router.patch("/v1/guests/{guest_id}")
async def change_guest(
    *,
    guest_id: UUID,
    change: GuestChange,
    caller: MayUpdateGuests,
    door: EntryDoor,
    response: Response,
    if_match: IfMatch = None,
) -> Guest:
    async with door.open(caller, Action.GUEST_UPDATE) as access:
        row = await store.lock_guest(access, guest_id)
        version.require(row.version, if_match)
        content = guest.merge(guest.content_of(row), change)
        await store.update_guest(access, guest_id, guest.seal(content, guest_id, row.key))
        await store.delete_digests(access, guest_id)
        await store.insert_digests(access, guest_id, await _digests(access, content))
    response.headers["ETag"] = version.etag(row.version + 1)
    return guest.known(guest_id, content, row.version + 1, row.created_at)


@router.delete("/v1/guests/{guest_id}", status_code=status.HTTP_202_ACCEPTED)
async def erase_guest(
    guest_id: UUID, caller: MayDeleteGuests, door: EntryDoor, if_match: IfMatch = None
) -> ErasedGuest:
    async with door.open(caller, Action.GUEST_DELETE) as access:
        row = await store.lock_guest(access, guest_id)
        version.require(row.version, if_match)
        call_ids = await call_store.delete_calls_of_guest(access, guest_id)
        await store.delete_digests(access, guest_id)
        await store.delete_guest(access, guest_id)
        await idempotency.forget(access, call.TABLE, call_ids)
        await idempotency.forget(access, guest.TABLE, [guest_id])
        await access.forget([guest_id])
        erased = GuestErased(client_id=access.client_id, guest_id=guest_id, at=access.now)
        await access.publish("tenant_data.guests", str(access.client_id), erased)
        for call_id in call_ids:
            gone = CallDeleted(client_id=access.client_id, call_id=call_id, at=access.now)
            await access.publish("tenant_data.calls", str(access.client_id), gone)
        kept = await held_recording.held_of_guest(access, guest_id, call_ids)
    return ErasedGuest(id=guest_id, kept=kept)


async def _digests(access: Access, content: GuestContent | GuestSearch) -> Mapping[str, bytes]:
    searchable = guest.searchable(content)
    return {field: await access.blind_index(f"guest.{field}", value) for field, value in searchable.items()}
