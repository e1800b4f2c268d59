"""A time limit that is kept even by work that does not let itself be cancelled.

`asyncio.wait_for` waits for the cancelled work to end; some calls of aiokafka, made while a broker goes away, never do.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`. Raises TimeoutError after `seconds`, whether or not `work` has ended by then.

    Work that was cancelled from within (aiokafka's own tasks are, when a broker goes) is a ConnectionAbortedError: as a
    CancelledError it would end the caller, silently and for good.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        task.add_done_callback(_read)
        raise
    if not done:
        task.cancel()
        task.add_done_callback(_read)
        raise TimeoutError
    if task.cancelled():
        raise ConnectionAbortedError
    return task.result()


def _read(task: "asyncio.Future[T]") -> None:
    # An error that nobody reads is reported by the loop when the task is collected; this one was given up on.
    if not task.cancelled():
        task.exception()
