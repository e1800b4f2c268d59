"""A zone's mark: the object that says which zone this is, and of which database.

Without it what is there is the folder under a disk that is not mounted, or a bucket that nobody took into use.
"""

from collections.abc import Callable

MARK = ".zone"

Recognise = Callable[[bytes | None], None]
"""Told of the mark that a place carries (None: it carries none). Raises NotItself when it is not the zone's own."""


class NotItself(OSError):
    """What is there carries no mark."""


class OfAnother(NotItself):
    """What is there is marked as another zone, or as a zone of another database."""


class Occupied(NotItself):
    """What is there holds objects and carries no mark: whose they are is not known."""
