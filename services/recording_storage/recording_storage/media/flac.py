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
_FALSE = 256  # what looks like a head and is none, within a frame: one in many thousand bytes does by chance
_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xaf]")


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    top, mask, entries = 1 << (bits - 1), (1 << bits) - 1, []
    for byte in range(256):
        register = byte << (bits - 8)
        for _ in range(8):
            register = (register << 1 ^ polynomial if register & top else register << 1) & mask
        entries.append(register)
    return tuple(entries)


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


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

    def look(self, *, is_end: bool) -> None:
        """Every head in what is held; without the end, those that may not be there whole are left for later."""
        while found := _SYNC.search(self.held, self.at):
            self.at = found.start()
            if not is_end and len(self.held) - self.at < _HEAD:
                return
            told = bytes(self.held[self.at : self.at + _HEAD])
            size = _block(told, self) if self.frames or not self.at else 0  # the first follows the description at once
            if size:
                self.start, self.false = self.at, 0
                self.frames, self.samples = self.frames + 1, self.samples + size
            elif (count := self.false + 1) > _FALSE:
                raise NotAudio("Its frames cannot be told apart.")
            else:
                self.false = count
            if not self.frames:
                break
            self.at += 2
        self.at = max(self.at, len(self.held) - 3)

    def forget(self) -> None:
        """Lets go of what was before the last frame."""
        del self.held[: self.start]
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
    register = 0
    for byte in search.held:
        register = (register << 8 & 0xFFFF) ^ _CRC16[register >> 8 ^ byte]
    if register:  # over a whole frame and its checksum it is 0
        raise Cut
    return search.samples


def _block(told: bytes, search: _Search) -> int:
    """Samples of the frame with this head; 0 when it is not the head of the frame that comes next."""
    size, rate, channels, bits = told[2] >> 4, told[2] & 15, told[3] >> 4, told[3] >> 1 & 7
    if not size or rate == 15 or bits == 3 or told[3] & 1:
        return 0
    if (channels + 1 if channels < 8 else 2) != search.info.channels:
        return 0
    number, at = _coded(told)
    if number != (search.samples if told[1] & 1 else search.frames):
        return 0
    of_size = {6: 1, 7: 2}.get(size, 0)
    end = at + of_size + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    register = 0
    for byte in told[: end + 1]:
        register = _CRC8[register ^ byte]
    if register or len(told) <= end:
        return 0
    if of_size:
        return int.from_bytes(told[at : at + of_size], "big") + 1
    return 192 if size == 1 else 576 << (size - 2) if size < 6 else 256 << (size - 8)


def _coded(told: bytes) -> tuple[int, int]:
    """The number in the head, coded as UTF-8 would up to seven bytes, and where it ends; -1 when there is none."""
    first = told[4] if len(told) > 4 else 0xFF
    if first < 0x80:
        return first, 5
    ones = 8 - (first ^ 0xFF).bit_length()
    rest = told[5 : 4 + ones]
    if ones not in range(2, 8) or len(rest) < ones - 1 or any(byte >> 6 != 2 for byte in rest):
        return -1, 5
    number = first & (0x7F >> ones)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 4 + ones
