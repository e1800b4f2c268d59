"""An export on its way to its reader: in constant memory, held to its session, and its end in the log (invariant 5).

It was admitted before its first byte. A file ends properly only once its outcome is committed (`guard.ending`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from audit import export, store
from audit.export import Format
from audit.search import Search
from events.access import AccessEvent, Action, Outcome
from guard import errors, standing, tenant
from guard.access import Door
from guard.database import Connection
from guard.ending import Ending
from guard.identity import Caller
from guard.places import Bounds
from guard.revocation import Revocations

# What an export holds in memory, whatever its length: so many events, or those with so many resources.
EXPORT_PAGE = 1000
EXPORT_RESOURCES = 5000
EXPORTS = Bounds(of_one=2, in_all=8, kept=4)
_LONGEST = 3600.0  # seconds for one export, however slowly it is read

Part = tuple[list[AccessEvent], bool]
"""A page of an export, and whether there may be more."""

_log = logging.getLogger("audit.delivery")


@dataclass(frozen=True, slots=True)
class Order:
    """An export as it was admitted; `admission` is that access event's id."""

    caller: Caller
    search: Search
    kind: Format
    admission: UUID


class Delivery(StreamingResponse):
    """The file, page by page. No connection is held while its reader is slow; what breaks it off is seen to do so."""

    def __init__(self, door: Door, revocations: Revocations, order: Order, first: Part) -> None:
        self._door = door
        self._revocations = revocations
        self._order = order
        self._rows = 0
        self._is_begun = False
        self._ending = Ending(order.admission, self._record)
        name = f"access-events.{order.kind.value}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(self._pages(*first), media_type=order.kind.media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the file; whatever ends it, also its reader's leaving, is an `Ending`."""
        try:
            async with asyncio.timeout(_LONGEST), standing.watched(self._revocations, self._order.caller):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            # It held its place from others for an hour. As below, nothing more is sent.
            _log.warning("export cut: it took too long", extra={"count": self._rows})
        except errors.Unauthenticated:
            if not self._is_begun:
                raise  # it can still be the answer
            # Nothing more is sent, not even the last chunk: the server closes, and the reader sees a broken file.
            _log.warning("export cut: its session is over", extra={"count": self._rows})
        finally:
            self._ending.settle()

    async def _pages(self, page: list[AccessEvent], has_more: bool) -> AsyncIterator[str]:  # noqa: FBT001 - a Part
        self._is_begun = True
        yield export.header(self._order.kind)
        while page:
            self._rows += len(page)  # before they go: of a page that is cut off, any row may have been read
            text, last = export.lines(self._order.kind, page), page[-1].event_id
            page = []  # a slow reader keeps its text alive, which is small beside it
            yield text
            if has_more:
                page, has_more = await self._older_than(last)
        await standing.require(self._revocations, self._order.caller)
        await self._ending.complete()

    async def _older_than(self, event_id: UUID) -> Part:
        caller = self._order.caller
        await standing.require(self._revocations, caller)  # who reads fast is not ahead of the clock
        older = self._order.search.older_than(event_id)
        async with tenant.transaction(self._door.pools.request, caller, self._door.seal_key) as connection:
            return await page_of(connection, caller.client_id, older)

    async def _record(self, outcome: Outcome) -> None:
        async with self._door.entry().open(self._order.caller, Action.ACCESS_EVENT_EXPORT) as access:
            access.outcome = outcome
            access.touch("export", self._order.admission)
            access.touch("rows", str(self._rows))


async def page_of(connection: Connection, client_id: UUID, search: Search) -> Part:
    """The newest of an export's events, as many as it may hold."""
    return await store.bounded_page(connection, client_id, search, length=EXPORT_PAGE, resources=EXPORT_RESOURCES)
