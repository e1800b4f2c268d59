"""04.4: what an access event may say, and its one byte form."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from pydantic import ValidationError

from events.access import AccessEvent, Action, Actor, Resource, new_salt
from events.uuid7 import uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123456, tzinfo=UTC)


def event(**changes):
    fields = {
        "event_id": uuid7(AT),
        "occurred_at": AT,
        "service": "tenant_data",
        "client_id": uuid7(AT),
        "actor": Actor(type="user", id="u", label="Zoë"),
        "action": Action.GUEST_READ,
        "ip": "203.0.113.7",
        "request_id": "r",
        "salt": new_salt(),
    }
    return AccessEvent(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": uuid7(AT + timedelta(milliseconds=1))},
        {"event_id": uuid4()},
        {"occurred_at": AT.replace(tzinfo=None)},
        {"occurred_at": 1770024600},
        {"action": "guest:steal"},
        {"ip": "localhost"},
        {"ip": "203.0.113.7\0"},
        {"user_agent": "x" * 257},
        {"user_agent": "a\0b"},
        {"request_id": "\ud800"},
        {"trace_id": "ABC"},
        {"salt": "short"},
        {"salt": "A" * 42 + "B"},  # the last character has bits that no 32 bytes have
        {"service": "Tenant"},
        {"outcome": "perhaps"},
        {"version": 2},
        {"content": "of a guest"},
        {"resources": tuple(Resource(type="guest", id=str(n)) for n in range(1001))},
    ],
)
def test_refused(changes):
    with pytest.raises(ValidationError):
        event(**changes)


def test_a_salt_is_never_made_up_by_a_reader():
    sent = json.loads(event().payload())
    del sent["salt"]
    with pytest.raises(ValidationError):
        AccessEvent.model_validate_json(json.dumps(sent))


def test_it_cannot_be_changed():
    with pytest.raises(ValidationError):
        event().outcome = "denied"


def test_it_arrives_as_it_was_sent():
    sent = event(resources=(Resource(type="guest", id="g"),), guest_id=uuid7(AT), reason='r\n"\\')
    received = AccessEvent.model_validate_json(sent.payload())
    assert received == sent
    assert received.canonical() == sent.canonical()


def test_times_are_utc_and_whole_milliseconds():
    made = event(occurred_at=AT.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert made.occurred_at == datetime(2026, 2, 2, 9, 30, 0, 123000, tzinfo=UTC)
    assert json.loads(made.payload())["occurred_at"] == "2026-02-02T09:30:00.123Z"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(written, kept):
    assert event(ip=written).ip == kept


def test_canonical_bytes():
    # RFC 8785 written out by hand: sorted keys, no spaces, short escapes, raw UTF-8.
    made = event(user_agent='a"\\/\b\f\n\r\t\x1f\x7f é €😀', resources=(Resource(type="guest", id="g"),))
    assert (
        made.canonical()
        == (
            '{"action":"guest:read","actor":{"id":"u","label":"Zoë","type":"user"},'
            f'"client_id":"{made.client_id}","event":"AccessEvent","event_id":"{made.event_id}","guest_id":null,'
            '"ip":"203.0.113.7","occurred_at":"2026-02-02T09:30:00.123Z","outcome":"allowed","reason":null,'
            '"request_id":"r","resources":[{"id":"g","type":"guest"}],'
            f'"salt":"{made.salt}","service":"tenant_data","trace_id":null,'
            '"user_agent":"a\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f é €😀","version":1}'
        ).encode()
    )


def test_two_events_of_one_access_differ_by_their_salt():
    one = event()
    assert one.model_copy(update={"salt": new_salt()}).canonical() != one.canonical()
