"""What examining costs, and how long a client rests for it. It is Python: while it runs, no play and nobody else's
upload gets on (01.3, 05.4).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

_FOR_EACH = 5.0  # seconds for one of work, which is among them: all uploads of a client have a fifth of the interpreter
_AT_ONCE = 3.0  # of these before the first rest: a call of an hour as MP3 does not come to it

T = TypeVar("T")


class Effort:
    """One for each process. What was spent is held against its client, also when the upload has ended."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`spent` counts the seconds that the thread which asks has worked."""
        self._clock = clock
        self._spent = spent
        self._sleep = sleep
        # One for all: the interpreter does one thing at a time anyway, and each thread more makes the loop wait longer.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="examiner")
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._until: dict[UUID, float] = {}  # who has spent more than nothing, and when it is made good

    async def spend(self, client_id: UUID, work: Callable[[], T]) -> T:
        """What `work` gives: one of a client at a time, and once what the client spent before is made good."""
        turn = self._turns.setdefault(client_id, asyncio.Lock())
        async with turn:
            while (rest := self._until.get(client_id, 0.0) - self._clock() - _AT_ONCE) > 0:
                await self._sleep(rest)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._measured, client_id, work)

    def _measured(self, client_id: UUID, work: Callable[[], T]) -> T:
        now, began = self._clock(), self._spent()
        try:
            return work()
        finally:
            # Here, and not by who waits for it: he may be cancelled meanwhile. It is the one thread that writes it.
            for known in [known for known, until in self._until.items() if until <= now]:
                del self._until[known]
            self._until[client_id] = self._until.get(client_id, now) + (self._spent() - began) * _FOR_EACH
