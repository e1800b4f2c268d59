"""An upload is the audio that its media type says, whole and not empty, and its duration is told from its content."""

import random
import struct

import pytest

from recording_storage.audio import TYPES, Examiner, NotAudio
from recording_storage.media import flac
from support.audio import OPUS, SAMPLES, SILENCE, Sample, chunks, examined, form, opus, page, wav

EACH = pytest.mark.parametrize("kind", SAMPLES.values(), ids=SAMPLES)
PCM = form(1, 1, 8000, 16000, 2, 16)
DATA = (b"data", bytes(1600))
GUID = bytes.fromhex("0000 1000 8000 00aa 0038 9b71")
CBR, VBR, FLAC = SAMPLES["cbr"].body, SAMPLES["vbr"].body, SAMPLES["flac"].body
FRAME = 72  # bytes of the first frames of cbr.mp3: 16 kbit/s at 16 kHz


def detail(media_type: str, body: bytes) -> str:
    with pytest.raises(NotAudio) as refused:
        examined(media_type, body)
    assert refused.value.detail == str(refused.value)
    return refused.value.detail


class TestMislabelled:
    @EACH
    @pytest.mark.parametrize("media_type", TYPES)
    def test_as_another_type(self, kind: Sample, media_type: str) -> None:
        if media_type == kind.media_type:
            assert examined(media_type, kind.body) == kind.duration
        else:
            assert "This is no" in detail(media_type, kind.body)

    @pytest.mark.parametrize("media_type", TYPES)
    @pytest.mark.parametrize(
        "body",
        [b"x", b"<html>", b"%PDF-1.7\n" * 99, b"RIFF\x24\0\0\0AVI ", b"PK\3\4" * 50, b"\0" * 9999, b"\xff" * 9999],
    )
    def test_other_content(self, media_type: str, body: bytes) -> None:
        assert detail(media_type, body)

    @pytest.mark.parametrize("media_type", ["audio/aac", "AUDIO/WAV", "audio/ogg; codecs=opus", "", "text/html"])
    def test_another_media_type(self, media_type: str) -> None:
        with pytest.raises(NotAudio, match="audio/flac"):
            Examiner(media_type)


class TestEmpty:
    @pytest.mark.parametrize("media_type", TYPES)
    def test_nothing_at_all(self, media_type: str) -> None:
        assert detail(media_type, b"") == "It is empty."

    @pytest.mark.parametrize(
        ("media_type", "body"),
        [
            ("audio/wav", wav(samples=0)),
            ("audio/wav", chunks((b"fmt ", PCM))),
            ("audio/wav", chunks()),
            ("audio/ogg", opus(page(4, 0, 2))),
            ("audio/ogg", page(6, 0, 0, OPUS)),
            ("audio/mpeg", VBR[: 36 * 4]),
            ("audio/flac", FLAC[:4] + b"\x80" + FLAC[5:42]),
        ],
        ids=["wav", "no data", "no form", "opus", "opus head", "xing alone", "flac"],
    )
    def test_no_audio_in_it(self, media_type: str, body: bytes) -> None:
        told = detail(media_type, body)
        assert "no audio" in told or "cut" in told or "cannot be read" in told


class TestCut:
    @pytest.mark.parametrize("name", [name for name in SAMPLES if name != "cbr"])
    def test_anywhere(self, name: str) -> None:
        kind = SAMPLES[name]
        for length in range(len(kind.body)):
            assert detail(kind.media_type, kind.body[:length])

    def test_between_frames_nothing_of_an_mp3_shows_it(self) -> None:
        # Without a Xing header its frames are all there is; Content-Digest is what shows such a cut.
        whole = [length for length in range(1, len(CBR)) if _is_taken("audio/mpeg", CBR[:length])]
        assert whole == [FRAME * frames for frames in range(1, len(CBR) // FRAME)]

    @EACH
    def test_goes_on_after_its_end(self, kind: Sample) -> None:
        assert detail(kind.media_type, kind.body + b"and more")
        if kind.media_type != "audio/mpeg":  # two MP3s behind each other are one
            assert detail(kind.media_type, kind.body + kind.body)

    def test_a_frame_is_missing_within(self) -> None:
        first = VBR.index(b"\xff\xf3", 4)
        second = VBR.index(b"\xff\xf3", first + 4)
        assert "cut" in detail("audio/mpeg", VBR[:first] + VBR[second:])
        at = FLAC.index(b"\xff\xf8", 42)
        assert detail("audio/flac", FLAC[:at] + FLAC[FLAC.index(b"\xff\xf8", at + 2) :])

    @pytest.mark.parametrize("name", ["opus", "vorbis"])
    def test_every_byte_of_an_ogg_counts(self, name: str) -> None:
        body = SAMPLES[name].body
        for at in range(len(body)):
            assert detail("audio/ogg", body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :])

    def test_a_wav_between_its_parts(self) -> None:
        body = chunks((b"fmt ", PCM), DATA, (b"LIST", b"more"))
        assert "cut" in detail("audio/wav", body[:-12])

    def test_an_ogg_within_its_last_packet(self) -> None:
        assert "cut" in detail("audio/ogg", opus(page(0, 960, 2, SILENCE), page(4, 1920, 3, bytes(255))))

    def test_the_last_frame_of_a_flac_is_checked(self) -> None:
        for at in range(len(FLAC) - 100, len(FLAC)):
            assert "cut" in detail("audio/flac", FLAC[:at] + bytes([FLAC[at] ^ 4]) + FLAC[at + 1 :])

    @pytest.mark.parametrize("length", [*range(2, 40), 1000, 2**16 + 1])
    def test_the_checksum_of_a_flac_frame(self, length: int) -> None:
        content, register = random.Random(length).randbytes(length), 0
        for bit in range(8 * length):
            carry = register >> 15 ^ content[bit // 8] >> 7 - bit % 8 & 1
            register = register << 1 & 0xFFFF ^ 0x8005 * carry
        frame = bytearray(content + register.to_bytes(2, "big"))
        assert flac._is_whole(frame)
        for at in {0, length // 2, length + 1}:
            for bit in range(8):
                frame[at] ^= 1 << bit
                assert not flac._is_whole(frame)
                frame[at] ^= 1 << bit


def _is_taken(media_type: str, body: bytes) -> bool:
    try:
        return examined(media_type, body) > 0
    except NotAudio:
        return False


class TestWav:
    @pytest.mark.parametrize(
        ("told", "duration"),
        [
            (PCM, 100),
            (form(1, 2, 8000, 32000, 4, 16), 50),
            (form(1, 1, 8000, 8000, 1, 8), 200),
            (form(3, 1, 8000, 32000, 4, 32, more=b"\0\0"), 50),
            (form(6, 1, 8000, 8000, 1, 8, more=b"\0\0"), 200),
            (form(7, 1, 8000, 8000, 1, 8, more=b"\0\0"), 200),
            (form(0xFFFE, 1, 8000, 16000, 2, 16, more=struct.pack("<HHII", 22, 16, 4, 1) + GUID), 100),
        ],
        ids=["pcm", "stereo", "8 bits", "float", "A-law", "mu-law", "extensible"],
    )
    def test_forms(self, told: bytes, duration: int) -> None:
        assert examined("audio/wav", chunks((b"fmt ", told), DATA)) == duration

    def test_gsm(self) -> None:
        body = chunks(
            (b"fmt ", form(0x31, 1, 8000, 1625, 65, 0, more=b"\2\0\x40\1")), (b"fact", bytes(4)), (b"data", bytes(650))
        )
        assert examined("audio/wav", body) == 400

    @pytest.mark.parametrize(
        "told",
        [
            form(85, 1, 8000, 16000, 1, 0),
            form(1, 0, 8000, 0, 0, 16),
            form(1, 1, 0, 0, 2, 16),
            form(1, 1, 8000, 16001, 2, 16),
            form(1, 1, 8000, 16000, 4, 16),
            form(1, 1, 8000, 0, 0, 0),
            form(0xFFFE, 1, 8000, 16000, 2, 16, more=struct.pack("<HHII", 22, 16, 4, 1) + bytes(12)),
            PCM[:14],
            PCM + bytes(99),
        ],
    )
    def test_of_another_form(self, told: bytes) -> None:
        assert detail("audio/wav", chunks((b"fmt ", told), DATA))

    def test_of_an_unknown_length(self) -> None:
        body = chunks((b"fmt ", PCM), DATA).replace(b"data\x40\6\0\0", b"data\xff\xff\xff\xff")
        assert "how long" in detail("audio/wav", body)

    @pytest.mark.parametrize(
        "parts",
        [
            [DATA, (b"fmt ", PCM)],
            [(b"fmt ", PCM), DATA, DATA],
            [(b"fmt ", PCM), (b"fmt ", PCM), DATA],
            [(b"fmt ", PCM), (b"data", bytes(1601))],
            [(b"junk", b"")] * 70 + [(b"fmt ", PCM), DATA],
        ],
        ids=["data first", "data twice", "two forms", "half a sample", "many parts"],
    )
    def test_of_other_parts(self, parts: list[tuple[bytes, bytes]]) -> None:
        assert detail("audio/wav", chunks(*parts))

    def test_with_words_before_and_after(self) -> None:
        body = chunks((b"LIST", b"odd"), (b"fmt ", PCM), DATA, (b"LIST", b"fin"))
        assert examined("audio/wav", body) == examined("audio/wav", body[:-1]) == 100


class TestOgg:
    def test_opus_by_its_times(self) -> None:
        assert examined("audio/ogg", opus(page(0, 1920, 2, SILENCE, SILENCE), page(4, 2880, 3, SILENCE))) == 60
        assert examined("audio/ogg", opus(page(4, 480, 2, SILENCE))) == 10  # its end is trimmed

    def test_opus_of_a_recorder_that_joined_late(self) -> None:
        assert examined("audio/ogg", opus(page(0, 960_000, 2, SILENCE), page(4, 960_960, 3, SILENCE))) == 40

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (opus(page(0, 960, 2, SILENCE)), "cut"),
            (opus(page(0, 960, 3, SILENCE), page(4, 960, 4)), "missing"),
            (opus(page(0, 960, 2, SILENCE), page(0, 960, 2, SILENCE)), "missing"),
            (opus(page(0, 960, 2, SILENCE), page(4, 900, 3, SILENCE)), "back"),
            (opus(page(0, 10, 2, SILENCE), page(4, 900, 3, SILENCE)), "contradict"),
            (opus(page(0, 2**64 - 1, 2, SILENCE), page(4, 1920, 3, SILENCE)), "contradict"),
            (opus(page(4, 960, 2, SILENCE, serial=2)), "more than one"),
            (opus(page(2, 0, 2, OPUS)), "more than one"),
            (opus(page(0, 0, 2), page(4, 960, 3, SILENCE)), "empty"),
            (opus(page(0, 960, 2, SILENCE), page(4, 2**62, 3, SILENCE)), "week"),
            (page(2, 0, 0, OPUS) + page(0, 0, 1, b"OpusTaps") + page(4, 960, 2, SILENCE), "headers"),
            (page(2, 0, 0, b"\x7fFLAC" + bytes(46)) + page(4, 1, 1, b"x"), "Opus or Vorbis"),
            (page(2, 0, 0, OPUS, OPUS) + page(4, 960, 1, SILENCE), "Opus or Vorbis"),
        ],
        ids=[
            "no end",
            "gap",
            "twice",
            "back",
            "early",
            "no time",
            "two",
            "another",
            "empty",
            "week",
            "tags",
            "flac",
            "heads",
        ],
    )
    def test_of_other_pages(self, body: bytes, why: str) -> None:
        assert why in detail("audio/ogg", body)


class TestTags:
    @pytest.mark.parametrize("body", [CBR, VBR], ids=["cbr", "vbr"])
    def test_before_and_after_an_mp3(self, body: bytes) -> None:
        before = b"ID3\4\0\0\0\0\1\0" + bytes(128) + b"ID3\3\0\x10\0\0\0\2" + bytes(12)
        after = b"APETAGEX" + struct.pack("<IIII", 2000, 42, 0, 0) + bytes(50) + b"TAG" + bytes(125)
        assert examined("audio/mpeg", before + body + after) == 1080
        for wrong in (after[:-1], after + b"x", b"TAG" + bytes(126), b"LYRICSBEGIN"):
            assert detail("audio/mpeg", before + body + wrong)

    def test_too_many(self) -> None:
        assert "too many tags" in detail("audio/mpeg", b"ID3\4\0\0\0\0\0\0" * 20 + CBR)

    def test_one_that_cannot_be_read(self) -> None:
        assert "cannot be read" in detail("audio/mpeg", b"ID3\4\0\0\0\0\0\xff" + CBR)


class TestFramesOfAFewBytes:
    HEAD = b"\xff\xf3\x14\x00"  # MPEG-2, layer III, 8 kbit/s at 24 kHz: 24 bytes, 24 ms

    def test_a_word_that_goes_on_behind_the_first(self) -> None:
        assert "no frame" in detail("audio/mpeg", self.HEAD + bytes(17) + b"Xing")

    def test_a_count_for_which_there_is_no_room(self) -> None:
        assert examined("audio/mpeg", self.HEAD + bytes(9) + b"Xing\0\0\0\1" + bytes(3) + self.HEAD + bytes(20)) == 48


class TestWhole:
    @EACH
    @pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000, 2**20])
    def test_in_pieces_of_any_size(self, kind: Sample, step: int) -> None:
        assert examined(kind.media_type, kind.body, step) == kind.duration
