"""Places for what takes its time, in one process: what each holds is bounded, so that all together are (05.4, 01.3).

A place is given back however it ended; nobody waits for one.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Gauge

from guard import errors


@dataclass(frozen=True, slots=True)
class Bounds:
    """One client has at most `of_one` at once, all together `in_all`. The last `kept` are for who has none: so that two
    clients cannot hold everybody else's.
    """

    of_one: int
    in_all: int
    kept: int

    def __str__(self) -> str:
        return (
            f"At most {self.of_one} at once of a client (else 429), and {self.in_all} of all, the last {self.kept} of "
            "them for clients that have none (else 503), in each process."
        )


class Places:
    """Who holds how many, of one kind of work."""

    def __init__(self, what: str, bounds: Bounds, *, retry_after: int, running: Gauge | None = None) -> None:
        """`what` is a plural, for the refusal ("exports"); who is refused may ask again after `retry_after` seconds.
        `running` follows how many are taken.
        """
        self._what = what
        self._bounds = bounds
        self._retry_after = retry_after
        self._running = running
        self._held: Counter[UUID] = Counter()

    @contextmanager
    def taken(self, client_id: UUID) -> Iterator[None]:
        """One of them, inside the block. Raises TooMany for a client with its share, Unavailable when none is left."""
        held, bounds = self._held.get(client_id, 0), self._bounds
        if held >= bounds.of_one:
            said = f"A client has {bounds.of_one} {self._what} at once; wait until one has ended."
            raise errors.TooMany(self._retry_after, said)
        if bounds.in_all - self._held.total() <= (bounds.kept if held else 0):
            raise errors.Unavailable(f"Too many {self._what} run; try again later.", retry_after=self._retry_after)
        self._count(client_id, 1)
        try:
            yield
        finally:
            self._count(client_id, -1)

    def _count(self, client_id: UUID, step: int) -> None:
        self._held[client_id] += step
        if not self._held[client_id]:
            del self._held[client_id]
        if self._running is not None:
            self._running.inc(step)
