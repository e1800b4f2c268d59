"""Which bytes of a recording a player asks for: `Range` and `If-Range` of RFC 9110 (13.1.5, 14). No I/O.

One range at a time: what cannot be read as one that lies in the recording is refused, and never guessed.
"""

import re
from dataclasses import dataclass

from guard.errors import Unsatisfiable
from recording_storage.segment import SEGMENT

# A number of a thousand digits is no position; read as one it would cost more than the answer.
_ONE = re.compile(r"([0-9]{1,30})-([0-9]{0,30})|-([0-9]{1,30})")

_UNIT = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (5.6.2)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `first` to `last`, both among them."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def content_range(self, length: int) -> str:
        """The value of `Content-Range` for this part of `length` bytes."""
        return f"bytes {self.first}-{self.last}/{length}"


def wanted(range_header: str | None, if_range: str | None, etag: str, length: int) -> Span | None:
    """The part that is asked for, None for the whole. Raises Unsatisfiable, a 416 that says what is wrong.

    `etag` is the quoted strong one of the recording, `length` its bytes.
    """
    # A date never holds: a recording has no Last-Modified. Nor does a weak tag, which begins with W/.
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return None
    unit, equals, told = range_header.strip().partition("=")
    if equals and _UNIT.fullmatch(unit) and unit.lower() != "bytes":
        return None  # 14.2: what is asked for in another unit is answered whole
    if "," in told:
        raise Unsatisfiable(length, "One range at a time.")
    read = _ONE.fullmatch(told.strip())
    if not read or unit.lower() != "bytes":
        raise Unsatisfiable(length, "The range cannot be read: bytes=FIRST-LAST, bytes=FIRST- or bytes=-LENGTH.")
    if read[3] is not None:
        return _ending(int(read[3]), length)
    return _from(int(read[1]), int(read[2]) if read[2] else length - 1, length, is_open=not read[2])


def _ending(suffix: int, length: int) -> Span:
    if not suffix:
        raise Unsatisfiable(length, "The last 0 bytes are no range.")
    return Span(max(length - suffix, 0), length - 1)


def _from(first: int, last: int, length: int, *, is_open: bool) -> Span:
    if last < first and not is_open:
        raise Unsatisfiable(length, "The range ends before it begins.")
    if first >= length:
        raise Unsatisfiable(length, "The range begins beyond the end.")
    return Span(first, min(last, length - 1))


def segments(span: Span) -> tuple[int, int]:
    """The numbers of the first and the last segment that hold a byte of it."""
    return span.first // SEGMENT, span.last // SEGMENT


def piece(span: Span, number: int) -> slice:
    """What of the audio of segment `number` belongs to it."""
    start = number * SEGMENT
    return slice(max(span.first - start, 0), min(span.last + 1 - start, SEGMENT))
