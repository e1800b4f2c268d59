"""01.3, 05.4: examining is Python, and while it runs nobody else is served: the worst costs a few lines a byte.

Lines that were run are counted, for they are the same on every machine.
"""

import sys
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

from recording_storage import audio
from recording_storage.audio import Examiner, NotAudio
from support.audio import SAMPLES, SILENCE, opus, page

FOLDER = audio.__file__.removesuffix("audio.py")
LENGTH = 2**17
FLAC = SAMPLES["flac"].body
INFO = FLAC[:4] + b"\x80" + FLAC[5:42]
NO_TIME = 2**64 - 1


def head(number: int) -> bytes:
    """The checked head of a mono FLAC frame with this number, of less than 0xD800: up to there it is coded as UTF-8."""
    told, register = b"\xff\xf8\xc9\x08" + chr(number).encode(), 0
    for bit in range(8 * len(told)):
        carry = register >> 7 ^ told[bit // 8] >> 7 - bit % 8 & 1
        register = register << 1 & 0xFF ^ 7 * carry
    return told + bytes([register])


def flac(content: bytes) -> Iterator[bytes]:
    yield INFO
    for number in range(0xD800):
        yield head(number) + content


def ogg(granule: int | None, *packets: bytes) -> Iterator[bytes]:
    yield opus()
    for number in range(2, 2**16):
        yield page(0, number * 960 * 255 if granule is None else granule, number, *packets)


def again(first: bytes, more: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield more


# What costs most for its length, and the most lines for each of its bytes.
WORST = {
    "mpeg of the smallest frames": ("audio/mpeg", partial(again, b"", b"\xff\xf3\x14\x00" + bytes(20)), 0.8),
    "ogg of pages of a byte": ("audio/ogg", partial(ogg, None, SILENCE), 2.0),
    "ogg of packets of a byte": ("audio/ogg", partial(ogg, None, *[SILENCE] * 255), 0.2),
    "ogg of empty packets": ("audio/ogg", partial(ogg, None, *[b""] * 255), 0.3),
    "ogg of packets that end at no time": ("audio/ogg", partial(ogg, NO_TIME, *[SILENCE] * 255), 0.2),
    "flac of bare heads": ("audio/flac", partial(flac, b""), 0.2),
    "flac of the smallest frames": ("audio/flac", partial(flac, bytes(4)), 4.5),
    "flac of false heads": ("audio/flac", partial(flac, b"\xff\xf8\xc9\x08" * 250), 0.2),
    "flac of one frame": ("audio/flac", partial(again, INFO + head(0), bytes(1024)), 0.1),
}


def body(name: str) -> bytes:
    made = bytearray()
    for piece in WORST[name][1]():
        made += piece
        if len(made) >= LENGTH:
            break
    return bytes(made)


def lines(media_type: str, whole: bytes) -> int:
    """Lines of recording_storage that ran until it was refused, or at its end."""
    counted = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        counted += event == "line"
        return trace

    examiner, before = Examiner(media_type), sys.gettrace()
    sys.settrace(trace)
    try:
        for at in range(0, len(whole), 2**16):
            examiner.feed(whole[at : at + 2**16])
        examiner.finish()
    except NotAudio:
        pass
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("name", WORST)
def test_the_worst(name: str) -> None:
    media_type, _, most = WORST[name]
    whole = body(name)
    found = lines(media_type, whole) / len(whole)
    print(f"{name}: {found:.3f} lines for each byte")
    assert 0 < found <= most


def test_what_is_sent_is_what_it_is_taken_for() -> None:
    """Else a refusal at its beginning would look like thrift."""
    examiner = Examiner("audio/flac")
    examiner.feed(body("flac of the smallest frames"))
    assert examiner._reading.gi_yieldfrom.gi_frame.f_locals["search"].frames > LENGTH / 14
