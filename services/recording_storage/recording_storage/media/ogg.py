"""Ogg (RFC 3533) with one Opus (RFC 7845) or Vorbis stream: every page in turn, with its checksum, to the last one."""

# ruff: noqa: PLR2004 - the numbers are those of the format, each beside the field that it is of

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from recording_storage.media.reading import Cut, NotAudio, Reading, milliseconds

_HEAD = struct.Struct("<4sBBQIIIB")  # capture, version, flags, granule, serial, number, checksum, segments
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_NONE = 2**64 - 1  # the granule of a page on which no packet ends
_FULL = 255  # a segment that is not the last of its packet
_OPUS_RATE = 48_000
_RATES = range(1000, 384_001)
# Ogg's checksum is zlib's with the bits of each byte, and of the sum, the other way round, and without its inversions.
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    def packets(self) -> Iterator[tuple[bytes, bool]]:
        """What it holds of each packet, and whether that ends here."""
        start = end = 0
        for size in self.lacing:
            end += size
            if size < _FULL:
                yield self.body[start:end], True
                start = end
        if start < end:
            yield self.body[start:], False


@dataclass(slots=True)
class _Stream:
    """The one logical stream, as far as it was read."""

    serial: int
    rate: int
    skip: int  # samples at its start that are not played
    titles: tuple[bytes, ...]  # how the packets begin that come before the audio, after the first
    is_opus: bool
    pages: int = 1
    packets: int = 0  # that have begun, after the first
    is_within: bool = False  # the last of them goes on
    granule: int = 0
    base: int | None = None  # the granule before the first sample: not 0 where a recorder joined late
    played: int = 0  # samples of the packets that have ended, while the base is looked for
    playing: int = 0  # of the one that goes on


def read() -> Reading:
    head = yield _HEAD.size
    if head[:4] != b"OggS":
        raise NotAudio("This is no Ogg.")
    stream: _Stream | None = None
    is_last = False
    while not is_last:
        flags, granule, serial, number, told, segments = _head(head)
        is_last = bool(flags & _LAST)
        lacing = (yield segments) if segments else b""
        length = sum(lacing)
        rest = yield length + (1 if is_last else _HEAD.size)  # with the head of the next: two steps for each page
        body = rest[:length]
        if len(lacing) < segments or len(body) < length:
            raise Cut
        if _checksum(head[:22] + bytes(4) + head[26:] + lacing + body) != told:
            raise NotAudio("A page of it is damaged.")
        page = _Page(flags, granule, serial, number, lacing, body)
        if stream is None:
            stream = _identified(page)
        else:
            _follow(stream, page)
        head = rest[length:]
    if stream is None or stream.is_within:
        raise Cut
    if head:
        raise NotAudio("It goes on after its end.")
    return milliseconds(stream.granule - (stream.base or 0) - stream.skip, stream.rate)


def _head(head: bytes) -> tuple[int, int, int, int, int, int]:
    """Flags, granule, serial, number, checksum and segments."""
    if len(head) < _HEAD.size:
        raise Cut
    capture, version, flags, *rest = _HEAD.unpack(head)
    if capture != b"OggS" or version or flags & ~(_CONTINUED | _FIRST | _LAST):
        raise NotAudio("A page of it cannot be read.")
    granule, serial, number, told, segments = rest
    if not segments and not flags & _LAST:
        raise NotAudio("A page of it is empty.")
    return flags, granule, serial, number, told, segments


def _checksum(page: bytes) -> int:
    register = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(register.to_bytes(4, "little").translate(_MIRROR), "big")


def _identified(page: _Page) -> _Stream:
    serial, packets = page.serial, [packet for packet, _ in page.packets()]
    if page.flags & ~_LAST != _FIRST or page.number or page.granule or len(packets) != 1:
        raise NotAudio("This is no Ogg with one stream of Opus or Vorbis.")
    packet = packets[0]
    if packet.startswith(b"OpusHead") and len(packet) >= 19 and packet[8] < 16 and packet[9]:
        skip = int.from_bytes(packet[10:12], "little")
        return _Stream(serial, _OPUS_RATE, skip, (b"OpusTags",), is_opus=True)
    if packet.startswith(b"\1vorbis\0\0\0\0") and len(packet) == 30 and packet[11]:
        rate = int.from_bytes(packet[12:16], "little")
        if rate in _RATES:
            return _Stream(serial, rate, 0, (b"\3vorbis", b"\5vorbis"), is_opus=False)
    raise NotAudio("This is no Ogg with one stream of Opus or Vorbis.")


def _follow(stream: _Stream, page: _Page) -> None:
    if page.flags & _FIRST or page.serial != stream.serial:
        raise NotAudio("It holds more than one stream.")
    if page.number != stream.pages or (stream.is_within and not page.flags & _CONTINUED):
        raise NotAudio("A page of it is missing.")
    stream.pages += 1
    if stream.base is None:
        _look_for_base(stream, page)
    if page.lacing:
        stream.is_within = page.lacing[-1] == _FULL
    if page.granule == _NONE or stream.base is None:
        return
    if page.granule < stream.granule:
        raise NotAudio("Its times go back.")
    stream.granule = page.granule


def _look_for_base(stream: _Stream, page: _Page) -> None:
    """Told by the first page on which a packet of audio ends: what comes after is not looked at packet by packet."""
    has_ended = False
    for number, (part, ends) in enumerate(page.packets()):
        if number or not stream.is_within:
            _begin(stream, part)
        if ends:
            stream.played += stream.playing
            has_ended = stream.packets > len(stream.titles)
    if stream.packets <= len(stream.titles):
        return
    if page.granule == _NONE:
        if has_ended:
            raise NotAudio("Its times contradict its packets.")  # 6 of RFC 3533
        return
    stream.base = page.granule - stream.played if stream.is_opus else 0
    # 4.5 of RFC 7845: only a stream that ends on this page may hold more than it plays.
    if stream.base < 0 and not page.flags & _LAST:
        raise NotAudio("Its times contradict its packets.")
    stream.base = max(stream.base, 0)


def _begin(stream: _Stream, part: bytes) -> None:
    stream.packets += 1
    if stream.packets <= len(stream.titles):
        if not part.startswith(stream.titles[stream.packets - 1]):
            raise NotAudio("It holds no headers of Opus or Vorbis.")
    elif stream.is_opus:
        stream.playing = _samples(part)


def _samples(packet: bytes) -> int:
    """Samples that an Opus packet plays, by its first two bytes (RFC 6716, 3.1 and 3.2)."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    else:
        frame = (480, 960)[config & 1] if config < 16 else (120, 240, 480, 960)[config & 3]
    frames = (packet[1] & 63 if len(packet) > 1 else 0) if code == 3 else (1, 2, 2)[code]
    return frame * frames
