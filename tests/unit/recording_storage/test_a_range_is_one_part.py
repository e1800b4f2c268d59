"""A player seeks: one range of the recording as RFC 9110 reads it, and a 416 that says what is wrong with any other."""

import random

import pytest

from guard.errors import Unsatisfiable
from recording_storage.segment import SEGMENT, count
from recording_storage.span import Span, piece, segments, wanted

ETAG = '"' + "0123abcd" * 8 + '"'
LENGTH = 10_000
BROKEN = [
    "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=--1", "bytes=+1-2", "bytes=1-+2",
    "bytes=0x1-2", "bytes=1 -2", "bytes=1- 2", "bytes =1-2", "bytes=١-٢", "bytes=1.0-2", "bytes==1-2",
    "bytes=1-2;3", "bytes:1-2", "1-2", "=1-2", "by tes=1-2", "bytes=1_0-20",
    "bytes=" + "9" * 5000 + "-", "bytes=0-" + "9" * 5000,
    "bytes=-" + "9" * 5000,
]  # fmt: skip
SEVERAL = ["bytes=0-1,3-4", "bytes=0-1,0-1", "bytes=0-,-1", "bytes=0-1,", "bytes=,", "bytes=" + "0-1," * 100 + "0-1"]


def refused(header: str, length: int = LENGTH) -> Unsatisfiable:
    with pytest.raises(Unsatisfiable) as raised:
        wanted(header, None, ETAG, length)
    assert (raised.value.status, raised.value.headers) == (416, {"Content-Range": f"bytes */{length}"})
    return raised.value


class TestRefused:
    @pytest.mark.parametrize("header", BROKEN, ids=range(len(BROKEN)))
    def test_what_cannot_be_read(self, header: str) -> None:
        assert "cannot be read" in str(refused(header))

    @pytest.mark.parametrize("header", SEVERAL, ids=range(len(SEVERAL)))
    def test_several(self, header: str) -> None:
        assert "One range" in str(refused(header))

    @pytest.mark.parametrize("header", ["bytes=2-1", "bytes=9999-0", "bytes=20000-19999"])
    def test_a_reversed_one(self, header: str) -> None:
        assert "before it begins" in str(refused(header))

    @pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10000", "bytes=" + "9" * 30 + "-"])
    def test_one_beyond_the_end(self, header: str) -> None:
        assert "beyond the end" in str(refused(header))

    def test_nothing_from_the_end(self) -> None:
        assert "no range" in str(refused("bytes=-0"))


class TestTheWhole:
    def test_without_a_range(self) -> None:
        assert wanted(None, None, ETAG, LENGTH) is None

    def test_if_range_alone_means_nothing(self) -> None:
        assert wanted(None, ETAG, ETAG, LENGTH) is None

    @pytest.mark.parametrize("header", ["items=0-1", "seconds=1-2", "bytes2=0-1", "none="])
    def test_in_another_unit(self, header: str) -> None:
        assert wanted(header, None, ETAG, LENGTH) is None

    @pytest.mark.parametrize(
        "if_range",
        [f"W/{ETAG}", ETAG.upper(), ETAG.strip('"'), f"{ETAG}, {ETAG}", "*", "", '""', "Thu, 26 Nov 2026 21:29:02 GMT"],
    )
    def test_when_what_the_player_has_is_another(self, if_range: str) -> None:
        assert wanted("bytes=0-1", if_range, ETAG, LENGTH) is None

    def test_and_then_the_range_may_be_anything(self) -> None:
        assert wanted("bytes=nonsense", '"another"', ETAG, LENGTH) is None


class TestAPart:
    @pytest.mark.parametrize(
        ("header", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-", 0, 9999),
            ("bytes=9999-", 9999, 9999),
            ("bytes=9999-9999", 9999, 9999),
            ("bytes=5-7", 5, 7),
            ("bytes=0007-0009", 7, 9),
            ("bytes=9000-99999", 9000, 9999),
            ("bytes=0-" + "9" * 30, 0, 9999),
            ("bytes=-1", 9999, 9999),
            ("bytes=-10000", 0, 9999),
            ("bytes=-10001", 0, 9999),
            ("bytes=-" + "9" * 30, 0, 9999),
            ("BYTES=1-2", 1, 2),
            (" bytes= 1-2 ", 1, 2),
        ],
    )
    def test_is_inclusive_and_ends_with_the_recording(self, header: str, first: int, last: int) -> None:
        assert wanted(header, None, ETAG, LENGTH) == Span(first, last)
        assert wanted(header, ETAG, ETAG, LENGTH) == Span(first, last)

    def test_its_names(self) -> None:
        span = Span(5, 7)
        assert (span.length, span.content_range(LENGTH)) == (3, "bytes 5-7/10000")


class TestSegments:
    @pytest.mark.parametrize(
        ("span", "numbers"),
        [
            (Span(0, 0), (0, 0)),
            (Span(SEGMENT - 1, SEGMENT - 1), (0, 0)),
            (Span(SEGMENT - 1, SEGMENT), (0, 1)),
            (Span(SEGMENT, 2 * SEGMENT - 1), (1, 1)),
            (Span(0, 2**31 - 1), (0, 2047)),
        ],
    )
    def test_only_those_that_hold_a_byte_of_it(self, span: Span, numbers: tuple[int, int]) -> None:
        assert segments(span) == numbers

    def test_their_pieces_are_the_span(self) -> None:
        dice = random.Random(9)
        audio = dice.randbytes(3 * SEGMENT + 777)
        for _ in range(300):
            first = dice.randrange(len(audio))
            span = Span(first, dice.choice([first, len(audio) - 1, dice.randrange(first, len(audio))]))
            low, high = segments(span)
            assert 0 <= low <= high < count(len(audio))
            stored = [audio[n * SEGMENT : (n + 1) * SEGMENT] for n in range(low, high + 1)]
            pieces = [one[piece(span, n)] for n, one in enumerate(stored, low)]
            assert all(pieces)
            assert b"".join(pieces) == audio[span.first : span.last + 1]
