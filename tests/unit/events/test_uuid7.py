"""Ids that sort by time, and the bounds and repeats that the log builds on (04.4)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.uuid7 import derived, lowest, time_of, uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123456, tzinfo=UTC)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])  # noqa: DTZ001 - refused
def test_a_time_that_no_id_can_have(at):
    with pytest.raises(ValueError, match="aware"):
        uuid7(at)


@pytest.mark.parametrize("other", ["00000000-0000-0000-0000-000000000000", "f47ac10b-58cc-4372-a567-0e02b2c3d479"])
def test_no_time_in_another_kind_of_id(other):
    with pytest.raises(ValueError, match="UUIDv7"):
        time_of(UUID(other))


@given(TIMES)
def test_an_id_tells_its_millisecond(at):
    made = uuid7(at)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert time_of(made) == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert lowest(at) <= made < lowest(at + timedelta(milliseconds=1))


@given(TIMES, TIMES)
def test_ids_sort_as_their_times(one, other):
    if abs(one - other) >= timedelta(microseconds=1):
        assert (uuid7(one) < uuid7(other)) == (one < other)


def test_two_ids_of_one_moment_differ():
    assert len({uuid7(AT) for _ in range(1000)}) == 1000


def test_what_is_derived_is_the_same_again_and_another_for_another():
    assert derived(AT, b"a") == derived(AT, b"a")
    assert derived(AT, b"a") != derived(AT, b"b")
    assert derived(AT, b"a") != derived(AT + timedelta(milliseconds=1), b"a")
    assert derived(AT, b"a").version == 7
    assert time_of(derived(AT, b"a")) == time_of(uuid7(AT))
