"""What a caller did not get as it was recorded is seen, and makes a figure missed, never smaller."""

import io
from typing import Any, cast

import pytest

from performance import crowd
from performance.source import Source
from performance.stream import Seen, listen, rate

SOURCE = Source(1, 700_000)
UP = [Seen(0.0, 1.0, 201, 1, is_right=True)] * crowd.UPLOADS
DOWN = [Seen(0.0, 1.0, 200, 1, is_right=True)] * crowd.PLAYS


def heard(body: bytes | bytearray) -> tuple[int, bool]:
    return listen(cast("Any", io.BytesIO(body)), SOURCE)


def whole() -> bytearray:
    return bytearray(b"".join(SOURCE.pieces()))


@pytest.mark.parametrize("place", [0, 44, 262_143, 262_144, 699_999])
def test_one_changed_byte_is_heard(place: int) -> None:
    audio = whole()
    audio[place] ^= 1
    assert heard(audio) == (700_000, False)


def test_a_byte_too_many_is_heard() -> None:
    assert heard(whole() + b"\0") == (700_001, False)


def test_a_cut_is_seen_by_its_length() -> None:
    assert heard(whole()[:-1]) == (699_999, True)


def test_all_of_it() -> None:
    assert heard(whole()) == (700_000, True)


@pytest.mark.parametrize("status", [0, 200, 408, 503])
def test_a_crowd_with_one_that_broke(status: int) -> None:
    broken = Seen(0.0, 1.0, status, error="cut" if status in {0, 200} else "")
    assert f"1 ended otherwise: {broken.said}" in crowd.wrong([*UP[1:], broken], DOWN)
    assert f"1 ended otherwise: {broken.said}" in crowd.wrong(UP, [*DOWN, broken])


def test_a_crowd_of_too_few() -> None:
    assert crowd.wrong(UP, DOWN[1:])
    assert crowd.wrong(UP[1:], DOWN)


def test_a_crowd_that_went_well() -> None:
    assert crowd.wrong(UP, DOWN) == ""


def test_a_rate_is_from_the_first_beginning_to_the_last_end() -> None:
    assert rate([Seen(10.0, 12.0, 201, 300), Seen(11.0, 14.0, 201, 100)]) == 100.0
