"""Asks tenant_data which of the calls whose recordings are kept were deleted (03.1, invariant 6).

Of all each hour, as an event can be lost, with Kafka or by a restore; at once of a guest's that was erased, as whose a
call is may be old news.

Only what tenant_data names counts, and it is noted as its event would be. No answer, and what is merely absent there,
deletes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg

from guard import database, errors
from guard.database import Pool
from recording_storage.call import Calls
from recording_storage.paging import by_client
from recording_storage.store import call as store
from recording_storage.store import guest as guest_store

_PAGE = 500  # calls; as many as tenant_data takes at once
_AGAIN = 10.0  # seconds, after which it is asked again about a guest of whom nothing was answered
_NONE = UUID(int=0)

_log = logging.getLogger("recording_storage.inquiry")


class Inquiry:
    """One for each process; two at once hear the same."""

    def __init__(self, jobs: Pool, calls: Calls, wake_sweep: Callable[[], None], every_seconds: float) -> None:
        """`every_seconds`: how often it asks about all."""
        self._jobs = jobs
        self._calls = calls
        self._wake_sweep = wake_sweep
        self._every = every_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Says that a guest was erased. Cheap."""
        self._woken.set()

    async def run(self) -> None:
        """Asks until cancelled; tenant_data or the database away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._of_all())
            group.create_task(self._of_erased_guests())

    async def _of_all(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            if missed := await self._take(ask):
                _log.warning("calls were deleted, and it was not heard", extra={"count": missed})

    async def _of_erased_guests(self) -> None:
        while True:
            self._woken.clear()
            if found := await self._take(ask_of_erased_guests):
                _log.info("calls were deleted with their guests", extra={"count": found})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _AGAIN)

    async def _take(self, question: Callable[[Pool, Calls], Awaitable[int]]) -> int:
        try:
            found = await question(self._jobs, self._calls)
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("the inquiry waits", extra={"error": type(failed).__name__})
            return 0
        if found:
            self._wake_sweep()
        return found


async def ask(jobs: Pool, calls: Calls) -> int:
    """How many deleted calls were not known here; they are now. Raises Unavailable, and then goes on the next time."""
    missed = 0
    async for client_id, call_ids in by_client(jobs, store.calls_kept, _PAGE):
        missed += await _bury_deleted(jobs, calls, client_id, call_ids)
    return missed


async def ask_of_erased_guests(jobs: Pool, calls: Calls) -> int:
    """The same of what counts here as the calls of guests that were erased; each guest until it is answered."""
    missed = 0
    while True:
        async with database.translate(), jobs.acquire() as connection:
            guests = await guest_store.open_guests(connection, _PAGE)
        for row in guests:
            missed += await _ask_of_guest(jobs, calls, row["client_id"], row["guest_id"])
        if len(guests) < _PAGE:
            return missed


async def _ask_of_guest(jobs: Pool, calls: Calls, client_id: UUID, guest_id: UUID) -> int:
    missed, after = 0, _NONE
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await guest_store.calls_of_guest(connection, client_id, guest_id, after, _PAGE)
        if not rows:
            break
        call_ids = [row["call_id"] for row in rows]
        missed += await _bury_deleted(jobs, calls, client_id, call_ids)
        after = call_ids[-1]
    async with database.translate(), jobs.acquire() as connection:
        await guest_store.settle_guest(connection, client_id, guest_id)
    return missed


async def _bury_deleted(jobs: Pool, calls: Calls, client_id: UUID, call_ids: Sequence[UUID]) -> int:
    deleted = await calls.deleted_among(client_id, call_ids)
    for call_id in deleted:
        async with database.translate(), jobs.acquire() as connection, connection.transaction():
            await store.bury_call(connection, client_id, call_id)
    return len(deleted)
