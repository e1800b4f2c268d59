"""Calls of every client, page by page: each client's by itself, as nothing is done across clients."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from asyncpg import Record

from guard import database
from guard.database import Connection, Pool

_NONE = UUID(int=0)

Page = Callable[[Connection, tuple[UUID, UUID], int], Awaitable[Sequence[Record]]]
"""Up to so many of `client_id` and `call_id` after these two, in their order."""


async def by_client(jobs: Pool, page: Page, limit: int) -> AsyncIterator[tuple[UUID, Sequence[UUID]]]:
    """A client and some of its calls, `limit` at most, until all were named. Raises Unavailable."""
    after = (_NONE, _NONE)
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await page(connection, after, limit)
        found = defaultdict[UUID, list[UUID]](list)
        for row in rows:
            found[row["client_id"]].append(row["call_id"])
        for client_id, call_ids in found.items():
            yield client_id, call_ids
            after = client_id, call_ids[-1]
        if len(rows) < limit:
            return
