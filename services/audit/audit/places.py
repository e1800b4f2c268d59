"""The places for exports in one process: each that runs holds a page, and without a limit they would hold everything.

A place is given back however its export ended; nobody waits for one.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from guard import errors

OF_ONE = 2  # exports of one client at once
IN_ALL = 8
_LATER = 10  # seconds; an export ends when its reader has it all


class Places:
    """Who holds how many."""

    def __init__(self) -> None:
        self._held: Counter[UUID] = Counter()

    @contextmanager
    def taken(self, client_id: UUID) -> Iterator[None]:
        """One of them, inside the block. Raises TooMany for a client with its share, Unavailable when none is left."""
        if self._held[client_id] >= OF_ONE:
            raise errors.TooMany(_LATER, f"A client has {OF_ONE} exports at once; wait until one has ended.")
        if self._held.total() >= IN_ALL:
            raise errors.Unavailable("Too many exports run; try again later.", retry_after=_LATER)
        self._held[client_id] += 1
        try:
            yield
        finally:
            self._held[client_id] -= 1
            if not self._held[client_id]:
                del self._held[client_id]
