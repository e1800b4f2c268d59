"""Whatever is uploaded as audio, an examiner refuses it with NotAudio alone, holds little, and takes few steps."""

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from recording_storage.audio import TYPES, Examiner, NotAudio
from recording_storage.media import mpeg
from support.audio import SAMPLES, SILENCE, Sample, examined, opus, page

TRIES = 20_000
ATOMS = [
    b"RIFF", b"WAVE", b"fmt ", b"data", b"OggS", b"OpusHead", b"\1vorbis", b"ID3\4\0\0", b"TAG", b"APETAGEX", b"Xing",
    b"VBRI", b"fLaC", b"\xff\xfb\x90\x00", b"\xff\xf8\x69\x08", b"\xff\xf9", b"\xff" * 8, bytes(8), b"\x7f\xff\xff\xff",
]  # fmt: skip


def mutated(dice: random.Random, body: bytes) -> bytes:
    made = bytearray(body)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(min(len(made), dice.choice([64, 300, len(made)])) or 1)
        kind = dice.randrange(6)
        if kind == 0:
            made[at : at + 1] = bytes([dice.randrange(256)])
        elif kind == 1:
            made[at : at + dice.randint(1, 8)] = dice.randbytes(dice.randint(0, 8))
        elif kind == 2:
            made[at:at] = dice.choice(ATOMS)
        elif kind == 3:
            made[at : at + 4] = dice.choice(ATOMS)
        elif kind == 4:
            del made[at + dice.randint(0, 200) :]
        else:
            end = at + dice.randint(1, 500)
            made[at:at] = made[at:end] * dice.randint(1, 3)
    return bytes(made)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How often a reader was asked to go on."""
    counted, send = [0], Examiner._send

    def counting(self: Examiner, piece: bytes) -> int:
        counted[0] += 1
        return send(self, piece)

    monkeypatch.setattr(Examiner, "_send", counting)
    return counted


def within(length: int) -> int:
    """The most steps for so many bytes: three for each of the smallest pages, and some hundred for the parts before."""
    return 600 + length // 9


def test_nothing_but_not_audio_is_raised(steps: list[int]) -> None:
    dice, taken, refused = random.Random(11), 0, 0
    for _ in range(TRIES):
        kind = dice.choice([*SAMPLES.values()])
        body = mutated(dice, kind.body) if dice.random() < 0.9 else dice.randbytes(dice.randrange(300))
        steps[0] = 0
        try:
            assert 1 <= examined(kind.media_type, body, dice.choice([50, 700, 2**16])) <= 7 * 24 * 3600 * 1000
            taken += 1
        except NotAudio:
            refused += 1
        assert steps[0] <= within(len(body))
    print(f"{taken} taken, {refused} refused")
    assert min(taken, refused) > 100


def test_a_first_frame_of_any_form_may_hold_any_words() -> None:
    """Of each version, layer, bit rate, sampling rate, padding and number of channels, with a word at every place."""
    taken = 0
    for bits in range(2**13):
        head = (0xFFE00000 | bits >> 1 << 9 | (bits & 1) * 0xC0).to_bytes(4, "big")
        length = mpeg._length(int.from_bytes(head, "big") & mpeg._SIZED)
        for word in (b"Xing", b"VBRI") if length else ():
            for shift in range(4):
                frame = head + (word * 1000)[shift : shift + length - 4]
                with suppress(NotAudio):
                    examined("audio/mpeg", frame * 2)
                    taken += 1
    assert taken > 1000


@pytest.mark.parametrize("media_type", TYPES)
def test_whoever_goes_on_after_a_refusal_is_refused(media_type: str) -> None:
    examiner = Examiner(media_type)
    for _ in range(2):
        with pytest.raises(NotAudio):
            examiner.feed(b"nothing of the kind" * 1000)
    with pytest.raises(NotAudio):
        examiner.finish()


FLAC, WAV = SAMPLES["flac"], SAMPLES["wav"]
# What makes a careless reader hold all of it, or look at each byte anew: a beginning, and what comes again and again.
ENDLESS = {
    "wav of one chunk": ("audio/wav", WAV.body[:36] + b"data\xfe\xff\xff\xff", bytes(2**16)),
    "wav of chunks without content": ("audio/wav", b"RIFF\xff\xff\xff\xffWAVE", b"junk\0\0\0\0" * 2**10),
    "wav of another chunk": ("audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f", bytes(2**16)),
    "ogg of small pages": ("audio/ogg", opus(), bytes(2**8)),
    "ogg of a packet without end": ("audio/ogg", opus(), b""),
    "mpeg of the smallest frames": ("audio/mpeg", b"", (b"\xff\xf3\x14\x00" + bytes(20)) * 2**10),
    "mpeg of tags": ("audio/mpeg", b"", b"ID3\4\0\0\0\0\0\0" * 2**10),
    "mpeg of one tag": ("audio/mpeg", b"ID3\4\0\0\x7f\x7f\x7f\x7f", bytes(2**16)),
    "flac of descriptions": ("audio/flac", FLAC.body[:42].replace(b"\x80", b"\0"), b"\4\0\0\0" * 2**10),
    "flac of a frame without end": ("audio/flac", FLAC.body[:2000], bytes(2**16)),
    "flac of false heads": ("audio/flac", FLAC.body[:2000], b"\xff\xf8\x69\x08" * 2**10),
    "flac of ones": ("audio/flac", FLAC.body[:2000], b"\xff" * 2**16),
}


def parts(name: str, length: int) -> Iterator[bytes]:
    """So many bytes of it, piece by piece."""
    _, first, again = ENDLESS[name]
    yield first
    for number in range(2, 2 + length // (len(again) or 2**16)):
        if name == "ogg of small pages":
            yield page(0, number * 960 - 960, number, SILENCE)
        elif name == "ogg of a packet without end":
            yield page(1 if number > 2 else 0, 2**64 - 1, number, *[bytes(255)] * 255)
        else:
            yield again


@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_end_is_not_held(name: str, steps: list[int]) -> None:
    examiner, sent = Examiner(ENDLESS[name][0]), 0
    tracemalloc.start()
    try:
        for piece in parts(name, 2**22):
            sent += len(piece)
            examiner.feed(piece)
        examiner.finish()
    except NotAudio:
        pass
    finally:
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert held < 2.5 * 2**20
    assert steps[0] <= within(sent)


def test_what_looks_like_heads_is_not_looked_at_for_long() -> None:
    with pytest.raises(NotAudio, match="told apart"):
        Examiner("audio/flac").feed(FLAC.body[:2000] + b"\xff\xf8\x69\x08" * 2**12)


@pytest.mark.parametrize("kind", SAMPLES.values(), ids=SAMPLES)
def test_a_piece_of_any_size_is_looked_at_once(kind: Sample, steps: list[int]) -> None:
    examined(kind.media_type, kind.body, 1)
    assert steps[0] <= within(len(kind.body))
