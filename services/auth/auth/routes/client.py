"""HTTP of the caller's own client: its name, plan and settings."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from auth import client
from auth.client import Client, ClientChange, ClientRow
from auth.store import client as store
from events.access import Action
from guard import errors, version
from guard.access import Access, EntryDoor
from guard.identity import Caller, may
from guard.version import IfMatch

router = APIRouter(tags=["clients"])

MayReadClient = Annotated[Caller, Depends(may(Action.CLIENT_READ))]
MayChangeClient = Annotated[Caller, Depends(may(Action.CLIENT_UPDATE))]


@router.get("/v1/clients/me")
async def read_client(caller: MayReadClient, door: EntryDoor, response: Response) -> Client:
    async with door.open(caller, Action.CLIENT_READ) as access:
        row = await _own(access)
    response.headers["ETag"] = version.etag(row.version)
    return row.shown()


@router.patch("/v1/clients/me")
async def change_client(
    body: ClientChange, caller: MayChangeClient, door: EntryDoor, response: Response, if_match: IfMatch = None
) -> Client:
    async with door.open(caller, Action.CLIENT_UPDATE) as access:
        old = await _own(access)
        version.require(old.version, if_match)
        settings = client.merged(old.settings, body.settings) if body.settings else old.settings
        new = replace(old, name=body.name or old.name, settings=settings)
        if not await store.change(access, new):
            raise errors.Stale
        await access.publish(client.TOPIC, str(access.client_id), new.changed(access.now))
    response.headers["ETag"] = version.etag(new.version + 1)
    return replace(new, version=new.version + 1).shown()


async def _own(access: Access) -> ClientRow:
    row = await store.find(access)
    if row is None:
        access.missed("client", access.client_id)
    access.touch("client", row.client_id)
    return row
