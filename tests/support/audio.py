"""Short audio in each format that the platform takes, and how a body of it is examined and rebuilt."""

import io
import struct
import wave
from typing import NamedTuple

from recording_storage.audio import Examiner
from recording_storage.media import ogg
from support.tree import REPO

_FOLDER = REPO / "tests" / "unit" / "recording_storage" / "samples"


class Sample(NamedTuple):
    media_type: str
    body: bytes
    duration: int  # ms


def wav(samples: int = 8000, rate: int = 8000) -> bytes:
    """A second of PCM, unless told otherwise."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, rate, samples, "NONE", ""))
        file.writeframes(bytes(number * 7 % 251 for number in range(2 * samples)))
    return written.getvalue()


def sample(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


SAMPLES = {
    "wav": Sample("audio/wav", wav(), 1000),
    "opus": Sample("audio/ogg", sample("opus.ogg"), 1000),
    "vorbis": Sample("audio/ogg", sample("vorbis.ogg"), 1000),
    "vbr": Sample("audio/mpeg", sample("vbr.mp3"), 1080),  # 30 frames of 36 ms
    "cbr": Sample("audio/mpeg", sample("cbr.mp3"), 1080),
    "flac": Sample("audio/flac", sample("tone.flac"), 1000),
}


def examined(media_type: str, body: bytes, step: int = 2**16) -> int:
    """The duration, when it comes in pieces of `step` bytes. Raises NotAudio."""
    examiner = Examiner(media_type)
    for at in range(0, len(body), step):
        examiner.feed(body[at : at + step])
    return examiner.finish()


def chunks(*parts: tuple[bytes, bytes]) -> bytes:
    """A WAV of these chunks."""
    inner = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in parts)
    return b"RIFF" + struct.pack("<I", 4 + len(inner)) + b"WAVE" + inner


def form(*shape: int, more: bytes = b"") -> bytes:
    """What `fmt ` holds: tag, channels, rate, bytes a second, bytes and bits of a sample."""
    return struct.pack("<HHIIHH", *shape) + more


def page(flags: int, granule: int, number: int, *packets: bytes, serial: int = 1) -> bytes:
    """An Ogg page with these short packets whole, and its right checksum."""
    head = struct.pack("<4sBBQIIIB", b"OggS", 0, flags, granule, serial, number, 0, len(packets))
    whole = head + bytes(map(len, packets)) + b"".join(packets)
    return whole[:22] + struct.pack("<I", ogg._checksum(whole)) + whole[26:]


OPUS = b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"
SILENCE = b"\x08"  # an Opus packet of 20 ms: 960 samples


def opus(*pages: bytes) -> bytes:
    """An Ogg with Opus and these pages after its two headers, which have the numbers 0 and 1."""
    return page(2, 0, 0, OPUS) + page(0, 0, 1, b"OpusTags") + b"".join(pages)
