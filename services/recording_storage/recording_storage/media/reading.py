"""How a format is read while it streams by: a generator that asks for so many bytes, or to pass over so many.

A reader never asks for more than it may hold; once it got nothing for what it asked, it comes to an end.
"""

from collections.abc import Generator

# Yields: n > 0, "give me n bytes" (fewer: the stream has ended); n < 0, "pass over -n". Returns milliseconds.
Reading = Generator[int, bytes, int]


class NotAudio(Exception):
    """The content is not what its media type says, is cut, or is empty. `detail` is for the caller who sent it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Cut(NotAudio):
    """The content ends before it is at its end."""

    def __init__(self) -> None:
        super().__init__("It ends before its end: it was cut.")


def whole(size: int) -> Generator[int, bytes, bytes]:
    """So many bytes. Raises Cut when there are fewer."""
    piece = yield size
    if len(piece) < size:
        raise Cut
    return piece


def milliseconds(samples: int, rate: int) -> int:
    """The duration of `samples` at `rate` a second, at least 1. Raises NotAudio when there are none."""
    if samples < 1:
        raise NotAudio("There is no audio in it.")
    return max(1, round(samples * 1000 / rate))
