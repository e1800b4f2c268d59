"""MPEG audio (MP3 and its elder layers): frame after frame to the last byte, with the tags before and after them.

The duration is that of the frames which are there; what a Xing or VBRI header tells only shows that some are missing.
"""

# ruff: noqa: PLR2004 - the numbers are those of the format, each beside the field that it is of

from collections.abc import Generator
from functools import lru_cache

from recording_storage.media.reading import Cut, NotAudio, Reading, milliseconds, whole

# kbit/s of the index 1 to 14, by version 1 or not, and layer (ISO/IEC 11172-3 and 13818-3).
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LOW,
    (False, 3): _LOW,
}
_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by the version's two bits
_SAME = 0xFFFE0C00  # sync, version, layer and rate: the same in every frame of a stream
_SIZED = _SAME | 0x0000F200  # and bit rate and padding: what a frame's length follows from
_TAGS = 16  # before the frames; each costs work and as little as ten bytes
_MONO = 3


def read() -> Reading:
    head = yield from _past_tags()
    first = int.from_bytes(head, "big")
    if len(head) < 4 or not _length(first & _SIZED):
        raise NotAudio("This is no MPEG audio.")
    frames, told, frame = 0, None, first
    while (frame ^ first) & _SAME == 0 and (length := _length(frame & _SIZED)):
        body = yield length  # what is left of it, and the head of the next: one step for each frame
        if len(body) < length - 4:
            raise Cut
        if not frames:
            told = _told(first, body[: length - 4])
        frames += 1
        head = body[length - 4 :]
        frame = int.from_bytes(head, "big") if len(head) == 4 else 0
    yield from _to_the_end(head)
    if told is not None:
        frames -= 1  # the frame that told it plays nothing
        if frames < told:
            raise Cut
    samples, rate = _shape(first)
    return milliseconds(frames * samples, rate)


def _past_tags() -> Generator[int, bytes, bytes]:
    """Passes over ID3v2 tags (id3.org, 2.4); the four bytes after them."""
    head = yield 4
    for _ in range(_TAGS):
        if head[:3] != b"ID3":
            return head
        rest = yield from whole(6)
        if any(byte > 127 for byte in rest[2:]):
            raise NotAudio("A tag before it cannot be read.")
        size = rest[2] << 21 | rest[3] << 14 | rest[4] << 7 | rest[5]
        yield -(size + (10 if rest[1] & 0x10 else 0))
        head = yield 4
    raise NotAudio("It has too many tags.")


def _to_the_end(head: bytes) -> Generator[int, bytes, None]:
    """After the last frame there may be an APEv2 and an ID3v1 tag, and nothing else."""
    if head == b"APET":
        rest = yield from whole(28)
        yield -int.from_bytes(rest[8:12], "little")
        head = yield 4
    if head[:3] == b"TAG":
        yield from whole(124)
        head = yield 1
    if head:
        raise NotAudio("It goes on with what is no frame of it.")


def _shape(frame: int) -> tuple[int, int]:
    """Samples in a frame, and how many a second."""
    version, layer = frame >> 19 & 3, 4 - (frame >> 17 & 3)
    samples = {1: 384, 2: 1152, 3: 1152 if version == 3 else 576}[layer]
    return samples, _HZ[version][frame >> 10 & 3]


@lru_cache(maxsize=2048)
def _length(frame: int) -> int:
    """Bytes of the frame with this head, itself among them; 0 when it is none, or says nowhere how long it is."""
    version, layer, kbits, rate = frame >> 19 & 3, 4 - (frame >> 17 & 3), frame >> 12 & 15, frame >> 10 & 3
    if frame >> 21 != 0x7FF or version == 1 or layer == 4 or kbits in {0, 15} or rate == 3:
        return 0
    samples, hz = _shape(frame)
    bits, padding = _KBITS[version == 3, layer][kbits - 1] * 1000, frame >> 9 & 1
    return (12 * bits // hz + padding) * 4 if layer == 1 else samples // 8 * bits // hz + padding


def _told(frame: int, body: bytes) -> int | None:
    """How many frames follow, as the first one says in place of audio; 0 when it does not count, None when it plays."""
    if frame >> 17 & 3 != 1:
        return None
    is_mono, is_first_version = frame >> 6 & 3 == _MONO, frame >> 19 & 3 == 3
    at = (17 if is_mono else 32) if is_first_version else (9 if is_mono else 17)
    # The smallest frames have no room for such a word and its count: they play, whatever stands there.
    if len(body) >= at + 12 and body[at : at + 4] in {b"Xing", b"Info"}:
        return int.from_bytes(body[at + 8 : at + 12], "big") if body[at + 7] & 1 else 0
    return int.from_bytes(body[46:50], "big") if len(body) >= 50 and body[32:36] == b"VBRI" else None
