"""A segment: how a recording's audio becomes ciphertext and back (02.1; the format: docs/formats/recording.md).

No I/O, no framework. It never gives out a byte that was not authenticated as this place of this recording.
"""

import threading
from uuid import UUID

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

SEGMENT = 2**20  # bytes of audio in each segment but the last, which has 1 to so many
KEY = 32  # bytes

# C2SP chunked-encryption: salt and commitment before the chunks, a tag on each, and the last chunk is never full.
_HEADER, _CHUNK, _TAG = 24 + 32, 16 * 1024, 16
# Each thread's own, for ciphertext alone. With a second fresh megabyte for each segment the allocator gives both back
# to the kernel every time, which costs 485 page faults and three quarters of the speed.
_held = threading.local()
_FORMAT = b"konci.recording.v1\0"


class Damaged(Exception):
    """These bytes are not that segment: changed, cut, of another place, recording or client, or under another key."""


def new_key() -> bytes:
    """A fresh key, 32 bytes, for one recording and no other."""
    return Cobblestone256Encryptor.generate_key()


def sealed_length(plain: int) -> int:
    """Bytes of a sealed segment with `plain` bytes of audio."""
    return _HEADER + plain + (plain // _CHUNK + 1) * _TAG


def require_length(sealed: int) -> None:
    """Raises Damaged for more bytes than any segment has: they are not taken into memory."""
    if sealed > sealed_length(SEGMENT):
        raise Damaged("longer than any segment")


def count(total: int) -> int:
    """Segments of a recording with `total` bytes of audio. A recording is never empty."""
    if total < 1:
        raise ValueError("a recording is never empty")
    return -(-total // SEGMENT)


class Sealer:
    """Seals and opens the segments of one recording."""

    __slots__ = ("_key", "_place")

    def __init__(self, key: bytes, client_id: UUID, recording_id: UUID) -> None:
        if len(key) != KEY:
            raise ValueError("the key of a recording has 32 bytes")
        self._key = key
        self._place = _FORMAT + client_id.bytes + recording_id.bytes

    def seal(self, number: int, plain: bytes | memoryview, *, is_last: bool) -> bytes:
        """Segment `number`, counted from 0. All but the last are full: a position in the audio tells its segment."""
        if not (len(plain) == SEGMENT or (is_last and 0 < len(plain) < SEGMENT)):
            raise ValueError("only the last segment may be short, and none is empty")
        return _encrypt(self._key, self._context(number, is_last=is_last), plain)

    def open(
        self, number: int, sealed: bytes | memoryview, *, is_last: bool, room: bytearray | None = None
    ) -> memoryview:
        """The audio of a whole segment. Raises Damaged, and then nothing of it was given out.

        It lies in `room`, of SEGMENT bytes at least, when one is given: until that is used again. What lies
        there of what does not open is nobody's to read.
        """
        shortest = sealed_length(1 if is_last else SEGMENT)
        if not shortest <= len(sealed) <= sealed_length(SEGMENT):
            raise Damaged("it has not the length of this segment")
        return _decrypt(self._key, self._context(number, is_last=is_last), sealed, room)

    def _context(self, number: int, *, is_last: bool) -> bytes:
        # Every part has a fixed length, so no two places have the same context.
        return self._place + number.to_bytes(8, "big") + (b"\1" if is_last else b"\0")


def _encrypt(key: bytes, context: bytes, plain: bytes | memoryview) -> bytes:
    encryptor = Cobblestone256Encryptor(key, context)
    buffer = getattr(_held, "buffer", b"")
    if len(buffer) < sealed_length(len(plain)):
        buffer = _held.buffer = bytearray(sealed_length(max(len(plain), SEGMENT)))
    written = encryptor.update_into(plain, buffer)
    return b"".join((memoryview(buffer)[:written], encryptor.finalize()))


def _decrypt(key: bytes, context: bytes, sealed: bytes | memoryview, room: bytearray | None = None) -> memoryview:
    room = bytearray(len(sealed)) if room is None else room
    try:
        decryptor = Cobblestone256Decryptor(key, context)
        # It gives what it has verified; all is held back until the end is known to be the end.
        opened = decryptor.update_into(sealed, room)
        rest = decryptor.finalize()
    except InvalidTag as failed:
        raise Damaged("it does not open as this segment") from failed
    length = opened + len(rest)
    room[opened:length] = rest
    return memoryview(room)[:length]
