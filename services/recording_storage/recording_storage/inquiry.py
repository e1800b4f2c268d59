"""Asks tenant_data, hour by hour, which of the calls whose recordings are kept were deleted: an event can be lost, with
Kafka or by a restore (03.1, invariant 6).

Only what tenant_data names counts, and it is noted as its event would be. No answer, and what is merely absent there,
deletes nothing.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from uuid import UUID

import asyncpg

from guard import database, errors
from guard.database import Pool
from recording_storage.call import Calls
from recording_storage.store import call as store

_PAGE = 500  # calls; as many as tenant_data takes at once
_NONE = UUID(int=0)

_log = logging.getLogger("recording_storage.inquiry")


async def run(jobs: Pool, calls: Calls, wake_sweep: Callable[[], None], every_seconds: float) -> None:
    """Asks until cancelled; tenant_data or the database away is waited for."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if missed := await ask(jobs, calls):
                wake_sweep()
                _log.warning("calls were deleted, and it was not heard", extra={"count": missed})
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("the inquiry waits", extra={"error": type(failed).__name__})


async def ask(jobs: Pool, calls: Calls) -> int:
    """How many deleted calls were not known here; they are now. Raises Unavailable, and then goes on the next time."""
    missed = 0
    async for client_id, call_ids in _kept(jobs):
        for call_id in await calls.deleted_among(client_id, call_ids):
            async with database.translate(), jobs.acquire() as connection, connection.transaction():
                await store.bury_call(connection, client_id, call_id)
            missed += 1
    return missed


async def _kept(jobs: Pool) -> AsyncIterator[tuple[UUID, Sequence[UUID]]]:
    after = (_NONE, _NONE)
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await store.calls_kept(connection, after, _PAGE)
        for client_id, call_ids in _by_client(rows).items():
            yield client_id, call_ids
            after = client_id, call_ids[-1]
        if len(rows) < _PAGE:
            return


def _by_client(rows: Sequence[asyncpg.Record]) -> Mapping[UUID, list[UUID]]:
    found: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in rows:
        found[row["client_id"]].append(row["call_id"])
    return found
