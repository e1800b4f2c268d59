"""FLAC (RFC 9639): each frame is found by its checked head with the number that must come next, to the last one.

A frame does not say how long it is, and none is decoded: the last one is held, for its checksum shows a cut.
"""

# ruff: noqa: PLR2004 - the numbers are those of the format, each beside the field that it is of

import re
from collections.abc import Generator
from dataclasses import dataclass

from recording_storage.media.reading import Cut, NotAudio, Reading, milliseconds, whole

_INFO = 34  # bytes of STREAMINFO
_BLOCKS = 256  # of metadata; each costs work and as little as four bytes
_WINDOW = 16 * 1024  # bytes to look for heads in
_FRAME = 2**20  # bytes; the largest of a call is a twentieth of it
_HEAD = 16  # bytes, at most
_LEAST = 10  # bytes of a frame: of its head six, of a channel two, and its checksum
_FALSE = 256  # what looks like a head and is none, in each MiB: twenty do by chance
_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xaf]")


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register << 1 ^ 0x07 if register & 0x80 else register << 1) & 0xFF
        entries.append(register)
    return tuple(entries)


_CRC8 = _table()
# By the four bits of the head: samples of a block, and how many bytes say so; bytes that say the rate.
_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << more for more in range(8)))
_OF_SIZE = (0,) * 6 + (1, 2) + (0,) * 8
_OF_RATE = (0,) * 12 + (1, 2, 2, 0)


@dataclass(frozen=True, slots=True)
class _Info:
    """What STREAMINFO says."""

    rate: int
    channels: int
    samples: int  # 0: it does not say


def read() -> Reading:
    if (yield 4) != b"fLaC":
        raise NotAudio("This is no FLAC.")
    info = yield from _metadata()
    samples = yield from _frames(info)
    if info.samples and samples < info.samples:
        raise Cut
    if info.samples and samples > info.samples:
        raise NotAudio("It is longer than it says.")
    return milliseconds(samples, info.rate)


def _metadata() -> Generator[int, bytes, _Info]:
    info: _Info | None = None
    for _ in range(_BLOCKS):
        head = yield from whole(4)
        kind, length = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if (kind == 0) != (info is None) or kind == 0x7F or (kind == 0 and length != _INFO):
            raise NotAudio("Its description cannot be read.")
        if info is None:
            info = _info((yield from whole(length)))
        else:
            yield -length
        if head[0] & 0x80:
            return info
    raise NotAudio("It has too many parts.")


def _info(told: bytes) -> _Info:
    packed = int.from_bytes(told[10:18], "big")
    rate, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (2**36 - 1)
    if not rate:
        raise NotAudio("Its description cannot be read.")
    return _Info(rate, channels, samples)


@dataclass(slots=True)
class _Search:
    """What is held: the frame that began last, from its first byte, and what has come in after it."""

    info: _Info
    held: bytearray
    start: int = 0  # where that frame begins
    at: int = 0  # where to look on
    frames: int = 0
    samples: int = 0
    false: int = 0
    passed: int = 0  # bytes that were let go of

    def look(self, *, is_end: bool) -> None:
        """Every head in what is held; without the end, those that may not be there whole are left for later."""
        while found := _SYNC.search(self.held, self.at):
            self.at = found.start()
            if not is_end and len(self.held) - self.at < _HEAD:
                return
            told = self.held[self.at : self.at + _HEAD]
            size = _block(told, self) if self.frames or not self.at else 0  # the first follows the description at once
            if size:
                self.start, self.frames, self.samples = self.at, self.frames + 1, self.samples + size
                self.at += _LEAST
                continue
            if not self.frames:
                break
            self.false += 1
            if self.false > _FALSE * (1 + self.passed // 2**20):
                raise NotAudio("Its frames cannot be told apart.")
            self.at += 2
        self.at = max(self.at, len(self.held) - 3)

    def forget(self) -> None:
        """Lets go of what was before the last frame."""
        del self.held[: self.start]
        self.passed += self.start
        self.at, self.start = self.at - self.start, 0
        if len(self.held) > _FRAME:
            raise NotAudio("A frame of it has no end.")


def _frames(info: _Info) -> Generator[int, bytes, int]:
    """How many samples of each channel there are."""
    search, is_end = _Search(info, bytearray()), False
    while not is_end:
        came = yield _WINDOW
        is_end = len(came) < _WINDOW
        if not search.held and not came:
            raise NotAudio("There is no audio in it.")
        search.held += came
        search.look(is_end=is_end)
        if not search.frames:
            raise NotAudio("Its frames cannot be read.")
        search.forget()
    if not _is_whole(search.held):
        raise Cut
    return search.samples


def _is_whole(frame: bytearray) -> bool:
    """Whether its checksum is right: x^16 + x^15 + x^2 + 1 divides the frame with it.

    That is (x + 1)(x^15 + x + 1). By the second x^15 is x + 1, and x^30 is x^2 + 1, and so on: most of a frame goes at
    once. A table takes it byte by byte, and a MiB takes a sixth of a second of everybody's.
    """
    rest = int.from_bytes(frame, "big")
    if rest.bit_count() % 2:
        return False
    for power in range(rest.bit_length().bit_length(), -1, -1):
        while high := rest >> (15 << power):
            rest ^= (high << (15 << power)) ^ (high << (1 << power)) ^ high
    return not rest


def _block(told: bytearray, search: _Search) -> int:
    """Samples of the frame with this head; 0 when it is not the head of the frame that comes next."""
    size, rate, channels, bits = told[2] >> 4, told[2] & 15, told[3] >> 4, told[3] >> 1 & 7
    if not size or rate == 15 or bits == 3 or told[3] & 1:
        return 0
    if (channels + 1 if channels < 8 else 2) != search.info.channels:
        return 0
    number, at = _coded(told)
    if number != (search.samples if told[1] & 1 else search.frames):
        return 0
    of_size = _OF_SIZE[size]
    end = at + of_size + _OF_RATE[rate]
    register = 0
    for byte in told[: end + 1]:
        register = _CRC8[register ^ byte]
    if register or len(told) <= end:
        return 0
    if of_size:
        return int.from_bytes(told[at : at + of_size], "big") + 1
    return _SIZES[size]


def _coded(told: bytearray) -> tuple[int, int]:
    """The number in the head, coded as UTF-8 would up to seven bytes, and where it ends; -1 when there is none."""
    first = told[4] if len(told) > 4 else 0xFF
    if first < 0x80:
        return first, 5
    ones = 8 - (first ^ 0xFF).bit_length()
    rest = told[5 : 4 + ones]
    if not 2 <= ones <= 7 or len(rest) < ones - 1:
        return -1, 5
    number = first & (0x7F >> ones)
    for byte in rest:
        if byte >> 6 != 2:
            return -1, 5
        number = number << 6 | byte & 0x3F
    return number, 4 + ones
