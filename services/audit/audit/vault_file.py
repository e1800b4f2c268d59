"""OpenBao's audit file, read on from a place: whole lines only, across rotation, in pieces of bounded size (02.4).

It must never move past a line that was not handed out.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_log = logging.getLogger("audit.vault_file")
_PIECE = 1 << 20  # bytes read at a time, about a thousand lines
_LONGEST = 1 << 26  # bytes of one line; OpenBao takes requests of 32 MiB at most
_FIRST_LINE = 1 << 16  # bytes of the first line that tell one file from another


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file that is known by the SHA-256 of its first line."""

    first_line: bytes
    byte_offset: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines, and where they end."""

    lines: list[bytes]
    end: Position


class _SetAside(Exception):
    """A file has another name than it had a moment ago."""


def read_on(path: Path, position: Position | None) -> Piece | None:
    """What stands after `position` (None: from the beginning); None when there is nothing new yet. Raises OSError."""
    try:
        return _read_on(path, position)
    except _SetAside:
        return None  # the next look finds each where it is then


def _read_on(path: Path, position: Position | None) -> Piece | None:
    if position is not None and _first_line(path) == position.first_line:
        return _read(path, position, is_over=False)
    # Asked before anything is read: once a newer file has a line, OpenBao has let go of the older ones.
    listed = _files(path)
    files = [(file, first_line) for file in listed if (first_line := _first_line(file)) is not None]
    if _files(path) != listed:
        raise _SetAside  # what `path` is now is not what comes next
    known = [first_line for _, first_line in files]
    if position is not None and position.first_line in known:
        at = known.index(position.first_line)
        rest = _read(files[at][0], position, is_over=at < len(files) - 1)
        if rest is not None:
            return rest
        files = files[at + 1 :]
    elif position is not None and files:
        # What else lies here may have been read before: it is known by its ids, and nothing of it is lost.
        _log.error("the audit file read before is gone; what followed in it was not read")
    if not files:
        return None
    file, first_line = files[0]
    return _read(file, Position(first_line, 0), is_over=len(files) > 1)


def _read(path: Path, position: Position, *, is_over: bool) -> Piece | None:
    """Lines after `position`; in a file that `is_over`, what has no line's end counts as a line too."""
    with path.open("rb") as file:
        if _hash(file) != position.first_line:
            raise _SetAside
        offset = position.byte_offset
        if file.seek(0, 2) < offset:
            _log.error("the audit file was cut short; it is read again from its beginning")
            offset = 0
        size = _PIECE
        while True:
            file.seek(offset)
            piece = file.read(size)
            end = piece.rfind(b"\n") + 1
            if end or len(piece) < size or size >= _LONGEST:
                break
            size *= 2
    if not end and (is_over or len(piece) >= _LONGEST):
        end = len(piece)
    if not end:
        return None
    lines = [line for line in piece[:end].split(b"\n") if line]
    return Piece(lines, Position(position.first_line, offset + end))


def _first_line(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return _hash(file)
    except FileNotFoundError:
        return None


def _hash(file: BinaryIO) -> bytes | None:
    line = file.readline(_FIRST_LINE)
    return hashlib.sha256(line).digest() if line.endswith(b"\n") or len(line) == _FIRST_LINE else None


def _files(path: Path) -> list[Path]:
    """The rotated files beside `path` (`audit.log.1`, `audit.log-20261124`), oldest first, then `path` itself."""
    rotated = [other for other in path.parent.glob(f"{path.name}?*") if other.is_file()]
    return [*sorted(rotated, key=lambda other: other.stat().st_mtime_ns), path]
