"""How an answer that takes its time ended: in the log, whatever ended it (invariant 5).

It was admitted before its first byte. It ends properly only once its outcome is committed; any other end is recorded as
soon as the database takes it. An admission without an outcome ended with its process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from events.access import Outcome
from guard import errors

_TRIES = 60  # a second apart: how long the database may be away and still learn of an end
_PAUSE = 1.0  # seconds

_log = logging.getLogger("guard.ending")
_settling: set[asyncio.Task[None]] = set()  # the loop holds tasks weakly

Record = Callable[[Outcome], Awaitable[None]]
"""Commits an outcome, through the door; `failed` when the answer broke off. Called again when it could not."""


class Ending:
    """The one outcome of one answer; `admission` is the access event that let it begin."""

    def __init__(self, admission: UUID, record: Record) -> None:
        self._admission = admission
        self._record = record
        self._recording: asyncio.Task[None] | None = None

    async def complete(self) -> None:
        """Commits `allowed`; awaited before the answer's last piece, so that what cannot be recorded does not end well.

        Raises what `record` raises (errors.Unavailable). A caller that leaves meanwhile does not undo it.
        """
        self._recording = asyncio.ensure_future(self._record(Outcome.ALLOWED))
        await asyncio.shield(self._recording)

    def settle(self) -> None:
        """Called when the answer has ended, however it did: without a committed outcome, `failed` is committed now.

        In the background, for up to a minute: a caller that left cancels whatever waits in its answer.
        """
        task = asyncio.create_task(self._settle())
        _settling.add(task)
        task.add_done_callback(_settling.discard)

    async def _settle(self) -> None:
        for _ in range(_TRIES):
            # The outcome of a whole answer may be on its way when its reader leaves: there is one outcome, not two.
            recording, self._recording = self._recording, None
            try:
                await (recording or self._record(Outcome.FAILED))
            except (errors.Unavailable, asyncpg.PostgresError) as failed:
                _log.warning("an outcome waits", extra={"error": type(failed).__name__})
                await asyncio.sleep(_PAUSE)
            else:
                return
        _log.error("an outcome is not in the log", extra={"cause": str(self._admission)})
