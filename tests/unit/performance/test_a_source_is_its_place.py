"""What long recordings are compared with: a WAV of which any range can be had by itself, and none is another's."""

import random

import pytest

from performance.source import PIECE, Source
from support.audio import examined

LENGTH = 3 * PIECE + 45_678


@pytest.mark.parametrize("length", [0, 44, LENGTH + 1])
def test_what_is_no_header_and_whole_samples_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="whole samples"):
        Source(1, length)


def test_its_pieces_are_all_of_it() -> None:
    whole = b"".join(Source(1, LENGTH).pieces())
    assert len(whole) == LENGTH


def test_any_range_is_that_part_of_the_whole() -> None:
    source, chance = Source(1, LENGTH), random.Random(7)
    whole = b"".join(source.pieces())
    edges = [
        (0, 1),
        (0, 44),
        (43, 2),
        (44, 1),
        (45, 15),
        (PIECE - 1, 2),
        (LENGTH - 1, 1),
        (LENGTH - 5, 100),
        (LENGTH, 9),
    ]
    for first, length in [*edges, *((chance.randrange(LENGTH), chance.randrange(1, PIECE)) for _ in range(200))]:
        assert source.at(first, length) == whole[first : first + length]


@pytest.mark.parametrize("other", [Source(2, LENGTH), Source(1, LENGTH + 2)])
def test_another_one_has_other_samples(other: Source) -> None:
    assert other.at(44, 100) != Source(1, LENGTH).at(44, 100)


def test_no_mib_is_like_another() -> None:
    source = Source(1, 2**30)
    assert len({source.at(number * 2**20, 64) for number in range(1024)}) == 1024


def test_the_service_takes_it_for_what_it_is() -> None:
    assert examined("audio/wav", b"".join(Source(1, 44 + 16_000).pieces())) == 1000


@pytest.mark.parametrize(("length", "said"), [(2**30, "1 GiB"), (2**26, "64 MiB"), (2**20 + 2, "1048578 bytes")])
def test_it_says_how_long_it_is(length: int, said: str) -> None:
    assert Source(1, length).size == said
