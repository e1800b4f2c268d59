"""The places for uploads and plays in one process: each holds two segments, and without a limit they hold everything.

A place is given back however it ended; nobody waits for one.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prometheus_client import Gauge

from guard import errors

_LATER = 5  # seconds
running = Gauge("konci_recording_running", "Uploads and plays under way", ["what"])


class Places:
    """Who holds how many, of one kind."""

    def __init__(self, what: str, *, of_one: int, in_all: int) -> None:
        """`what` is a plural, for the refusal. One client has at most `of_one` at once, all together `in_all`."""
        self._what = what
        self._of_one = of_one
        self._in_all = in_all
        self._held: Counter[UUID] = Counter()

    @contextmanager
    def taken(self, client_id: UUID) -> Iterator[None]:
        """One of them, inside the block. Raises Unavailable when the client has its share, or none is left."""
        if self._held[client_id] >= self._of_one or self._held.total() >= self._in_all:
            raise errors.Unavailable(f"Too many {self._what} run at once; try again later.", retry_after=_LATER)
        self._held[client_id] += 1
        running.labels(self._what).inc()
        try:
            yield
        finally:
            running.labels(self._what).dec()
            self._held[client_id] -= 1
            if not self._held[client_id]:
                del self._held[client_id]
