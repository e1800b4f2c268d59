"""Whether a caller is still let in: looked at once a second by what takes longer than a token lives (04.1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

from guard import errors
from guard.identity import Caller
from guard.revocation import Revocations

LOOK = 1.0  # seconds between two looks


async def require(revocations: Revocations, caller: Caller) -> None:
    """Raises Unauthenticated when `caller` is let in no longer, Unavailable when nobody can say."""
    if await revocations.is_over(caller):
        raise errors.Unauthenticated


@asynccontextmanager
async def watched(revocations: Revocations, caller: Caller) -> AsyncIterator[asyncio.Task[NoReturn]]:
    """Ends what is inside, wherever it waits, at the first look that `require` raises at, and raises that.

    The looks are by the clock: a revocation is forgotten in the end, and what goes slowly would look too late. For what
    does not wait, the task is done when it is over, and its result is what is to be raised.
    """
    await require(revocations, caller)
    limit = asyncio.timeout(None)

    def end(found: asyncio.Task[NoReturn]) -> None:
        if not found.cancelled() and found.exception() is not None:
            with suppress(RuntimeError):  # it had ended by itself
                limit.reschedule(0)

    watching = asyncio.create_task(_watch(revocations, caller))
    watching.add_done_callback(end)
    try:
        async with limit:
            yield watching
    except TimeoutError:
        if limit.expired():
            watching.result()
        raise
    finally:
        watching.cancel()


async def _watch(revocations: Revocations, caller: Caller) -> NoReturn:
    while True:
        await asyncio.sleep(LOOK)
        await require(revocations, caller)
