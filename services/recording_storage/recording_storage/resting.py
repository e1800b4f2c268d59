"""Recordings that could not be made whole though both zones answer. Each is left alone for a while: it holds up no
other, and it does not fill its client's log with openings.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

Recording = tuple[UUID, UUID]
"""Client and recording."""

# Seconds, doubled each time: a disk that was full or read-only for a minute is waited for no longer than that again.
_FIRST, _LONGEST = 10.0, 600.0
_FINAL = 3600.0  # what is lost is there again only when somebody brings it back


@dataclass(frozen=True, slots=True)
class _Rest:
    began: float
    seconds: float
    paths: frozenset[str]


class Resting:
    """Which of them, since when, and with which wounds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[Recording, _Rest] = {}

    def lay(self, recording: Recording, paths: set[str], *, is_final: bool = False) -> None:
        """It could not be healed, with these wounds. `is_final`: nor will it be by trying again soon."""
        before = self._rests.get(recording)
        seconds = _FIRST if before is None else min(before.seconds * 2, _LONGEST)
        known = frozenset(paths) if before is None else before.paths | paths
        self._rests[recording] = _Rest(self._clock(), _FINAL if is_final else seconds, known)

    def end(self, recording: Recording) -> None:
        """It is whole."""
        self._rests.pop(recording, None)

    def holds(self, recording: Recording, paths: set[str]) -> bool:
        """Whether it is to be left alone still. Not with a wound that was not known: that one may be healed."""
        rest = self._rests.get(recording)
        return rest is not None and self._clock() < rest.began + rest.seconds and paths <= rest.paths

    def began(self, recording: Recording) -> float:
        """When it last failed; 0 for one that did not."""
        rest = self._rests.get(recording)
        return 0.0 if rest is None else rest.began

    def forget(self) -> None:
        """Lets go of those whose rest is long over: they were deleted, or healed by another process."""
        now = self._clock()
        for recording in [one for one, rest in self._rests.items() if now > rest.began + 2 * _FINAL]:
            del self._rests[recording]
