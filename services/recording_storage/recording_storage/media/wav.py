"""WAV (RIFF WAVE): the chunks, one after the other, and how long their one `data` is. It believes no length unseen."""

import struct
from collections.abc import Generator
from dataclasses import dataclass

from recording_storage.media.reading import Cut, NotAudio, Reading, milliseconds, whole

_PCM, _FLOAT, _A_LAW, _MU_LAW, _GSM, _EXTENSIBLE = 1, 3, 6, 7, 0x31, 0xFFFE
_GSM_BLOCK, _GSM_SAMPLES = 65, 320  # bytes of a block of GSM 06.10 in WAV, and what it plays
_SUBFORMAT = bytes.fromhex("0000 1000 8000 00aa 0038 9b71")  # after its first four bytes, which are the old tag
_HEAD, _PART = 12, 8  # bytes, before the first chunk and before each
_FORMAT = range(16, 65)  # bytes of a `fmt ` chunk
_PARTS = 64  # chunks; each costs work and as little as eight bytes
_RATES = range(1000, 768_001)
_UNKNOWN = 0xFFFFFFFF  # what a recorder writes that cannot go back and say how much it was


@dataclass(frozen=True, slots=True)
class _Form:
    """What `fmt ` says."""

    rate: int
    block: int  # bytes
    samples: int  # of each channel, in a block


@dataclass(slots=True)
class _Found:
    """What was seen so far."""

    form: _Form | None = None
    data: int = 0  # bytes


def read() -> Reading:
    head = yield _HEAD
    if len(head) < _HEAD or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise NotAudio("This is no WAV.")
    end, at, found = 8 + int.from_bytes(head[4:8], "little"), _HEAD, _Found()
    for _ in range(_PARTS):
        part = yield _PART
        if not part:
            return _duration(found, at - end)
        if len(part) < _PART:
            raise Cut
        size = int.from_bytes(part[4:], "little")
        yield from _content(part[:4], size, found)
        at += _PART + size
        if size % 2:
            at += len((yield 1))  # parts begin at even places; the filling after the last is often forgotten
    raise NotAudio("It has too many parts.")


def _duration(found: _Found, over: int) -> int:
    # One byte more or less is that filling, counted or not.
    if over < -1:
        raise Cut
    if over > 1:
        raise NotAudio("It goes on after its end.")
    if found.form is None:
        raise NotAudio("There is no audio in it.")
    return milliseconds(found.data // found.form.block * found.form.samples, found.form.rate)


def _content(name: bytes, size: int, found: _Found) -> Generator[int, bytes, None]:
    if name == b"fmt ":
        if found.form or size not in _FORMAT:
            raise NotAudio("Its form cannot be read.")
        found.form = _form((yield from whole(size)))
        return
    if name == b"data":
        if found.form is None or found.data:
            raise NotAudio("Its audio is not one piece after its form.")
        if size == _UNKNOWN:
            raise NotAudio("It does not say how long it is.")
        if size % found.form.block:
            raise NotAudio("Its audio ends within a sample.")
        found.data = size
    yield -size


def _form(told: bytes) -> _Form:
    tag, channels, rate, per_second, block, bits = struct.unpack_from("<HHIIHH", told)
    if tag == _EXTENSIBLE and told[28:40] == _SUBFORMAT:
        tag = int.from_bytes(told[24:28], "little")
    if rate not in _RATES or not channels:
        raise NotAudio("Its form cannot be read.")
    if tag == _GSM and (channels, block) == (1, _GSM_BLOCK):
        return _Form(rate, block, _GSM_SAMPLES)
    if tag not in {_PCM, _FLOAT, _A_LAW, _MU_LAW}:
        raise NotAudio("It is neither PCM, floating point, A-law, mu-law nor GSM.")
    if not bits or block != channels * -(-bits // 8) or per_second != rate * block:
        raise NotAudio("Its form contradicts itself.")
    return _Form(rate, block, 1)
