"""The calls under way in one zone: how many at all and for one object, and which of these hang.

What hangs in a thread cannot be stopped, only counted: it must not take the places of all others.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

_CALLS = 64  # as many MiB as a zone that hangs can hold
_SAME = 8  # for one object: one that hangs leaves the others their places, though its listener comes again and again

T = TypeVar("T")


class Hangs(TimeoutError):
    """The same was asked before, in vain: that call has taken longer than it may, and is still under way."""


class _Lane:
    """The calls for one object."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(_SAME)
        self.began: dict[asyncio.Task[Any], float] = {}

    def hangs(self, limit: float) -> bool:
        return any(time.monotonic() - began > limit for began in self.began.values())


class UnderWay:
    """Those of one zone. `limit`: seconds after which a call hangs."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._free = asyncio.Semaphore(_CALLS)
        self._lanes = WeakValueDictionary[tuple[str, str], _Lane]()  # each for as long as somebody is in it

    async def run(self, asked: tuple[str, str] | None, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives, once there is a place. `asked`: operation and path; None: it is tried whatever hangs.

        Raises Hangs, at once.
        """
        lane = self._lane(asked)
        if lane.hangs(self._limit):
            raise Hangs
        await lane.free.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            lane.free.release()
            raise
        # Not cancelled when it takes too long: its thread would go on, and nobody would count it.
        task = asyncio.ensure_future(work())
        lane.began[task] = time.monotonic()
        task.add_done_callback(partial(self._ended, lane))
        return await asyncio.shield(task)

    def forget(self, asked: tuple[str, str]) -> None:
        """What is there now is not what hangs: another was written in its place."""
        self._lanes.pop(asked, None)

    def _lane(self, asked: tuple[str, str] | None) -> _Lane:
        lane = None if asked is None else self._lanes.get(asked)
        if lane is None:
            lane = _Lane()
            if asked is not None:
                self._lanes[asked] = lane
        return lane

    def _ended(self, lane: _Lane, task: "asyncio.Task[Any]") -> None:
        del lane.began[task]
        lane.free.release()
        self._free.release()
        if not task.cancelled():
            task.exception()  # also of one that nobody waits for any more
