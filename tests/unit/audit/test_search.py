"""What one may ask of the log: times as ranges of ids, an address in a body only."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from audit.search import Search, SearchBody, bound
from events.uuid7 import time_of, uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        {"ip": "not an address"},
        {"ip": "203.0.113.7/24"},
        {"from": "yesterday"},
        {"from": 1770024600},
        {"from": "2026-02-02T09:30:00"},
        {"action": "guest:steal"},
        {"actor_id": ""},
        {"actor_id": "x" * 257},
        {"resource_id": "a\0b"},
        {"resource_type": "\ud800"},
        {"client_id": str(uuid7())},
        {"since": "2026-02-02T09:30:00Z"},
    ],
)
def test_refused(body):
    with pytest.raises(ValidationError):
        SearchBody.model_validate(body)


def test_a_refusal_does_not_repeat_the_address():
    with pytest.raises(ValidationError) as refused:
        SearchBody.model_validate({"ip": "203.0.113.777"})
    assert "203.0.113.777" not in str(refused.value)


def test_an_address_is_asked_for_as_it_is_stored():
    assert SearchBody.model_validate({"ip": "::ffff:203.0.113.7"}).search().ip == "203.0.113.7"


def test_from_is_included_and_to_is_not():
    search = SearchBody.model_validate(
        {"from": AT.isoformat(), "to": (AT + timedelta(milliseconds=1)).isoformat()}
    ).search()
    assert search.since <= uuid7(AT) < search.before
    assert not search.since <= uuid7(AT - timedelta(milliseconds=1))
    assert not uuid7(AT + timedelta(milliseconds=1)) < search.before


def test_a_time_between_two_milliseconds_is_the_later_one():
    # An event of .123 was before .1235: it is older than `from`, and before `to`.
    assert time_of(bound(AT + timedelta(microseconds=500))) == AT + timedelta(milliseconds=1)
    assert time_of(bound(AT)) == AT


def test_without_bounds_everything_is_asked_for():
    search = Search()
    assert search.since <= uuid7(datetime(1970, 1, 2, tzinfo=UTC))
    assert uuid7(datetime(9998, 12, 31, tzinfo=UTC)) < search.before


def test_the_next_page_is_older_and_never_leaves_the_range():
    search = Search(before=UUID(int=100))
    assert search.older_than(None) == search
    assert search.older_than(UUID(int=50)).before == UUID(int=50)
    assert search.older_than(UUID(int=200)).before == UUID(int=100)
