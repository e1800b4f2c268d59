"""A write that names the version it read is refused when that is not the version there is (RFC 9110 13.1.1)."""

import pytest

from guard import version
from guard.errors import Stale


@pytest.mark.parametrize("if_match", ['"2"', 'W/"3"', "3", '"03"', '"1", "2"', "", '"', '"*"', '"3', "None"])
def test_another_version_is_stale(if_match: str) -> None:
    with pytest.raises(Stale):
        version.require(3, if_match)


@pytest.mark.parametrize("if_match", ['"1"', "*", '"None"'])
def test_nothing_there_is_stale(if_match: str) -> None:
    with pytest.raises(Stale):
        version.require(None, if_match)


@pytest.mark.parametrize("if_match", ['"3"', ' "3" ', '"1", "3"', 'W/"1","3"', "*", None])
def test_the_version_there_is(if_match: str | None) -> None:
    version.require(3, if_match)


def test_what_goes_out_comes_back() -> None:
    version.require(41, version.etag(41))
