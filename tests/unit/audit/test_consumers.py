"""04.4: whose word audit takes for an access, and which ids it confirms to whom."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from audit import consumers
from audit.consumers import Misattributed
from events.access import AccessEvent, Action, Actor, new_salt
from events.stored import Stored
from events.uuid7 import uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123000, tzinfo=UTC)


def event(service="auth"):
    return AccessEvent(
        event_id=uuid7(AT),
        occurred_at=AT,
        service=service,
        client_id=uuid7(AT),
        actor=Actor(type="user", id="u", label="u"),
        action=Action.GUEST_READ,
        ip="203.0.113.7",
        request_id="r",
        salt=new_salt(),
    )


def key(sent):
    return str(sent.client_id).encode()


def test_nobody_speaks_for_another_client():
    sent = event()
    for other in (str(uuid7(AT)).encode(), b"", None):
        with pytest.raises(Misattributed):
            consumers.read("access.auth", other, sent.payload().encode())


@pytest.mark.parametrize(
    ("service", "topic"),
    [
        ("auth", "access.tenant_data"),
        ("tenant_data", "access.auth"),
        ("audit", "access.auth"),
        ("openbao", "access.auth"),
        ("auth", "access.auth.dlq"),
        ("auth", "audit.stored"),
    ],
)
def test_nobody_speaks_for_another_service(service, topic):
    sent = event(service)  # one event: with the key of another, its client alone would be reason enough
    with pytest.raises((Misattributed, KeyError)):
        consumers.read(topic, key(sent), sent.payload().encode())


@pytest.mark.parametrize("payload", [b"", b"{", b"null", b"\xff", b'{"event":"AccessEvent"}'])
def test_what_is_no_event(payload):
    with pytest.raises(ValidationError):
        consumers.read("access.auth", b"k", payload)


def test_a_later_version_is_not_guessed_at():
    later = json.dumps({**json.loads(event().payload()), "version": 2})
    with pytest.raises(ValidationError):
        consumers.read("access.auth", b"k", later.encode())


@pytest.mark.parametrize("service", ["auth", "tenant_data", "audit", "recording_storage"])
def test_its_own_topic(service):
    sent = event(service)
    assert consumers.read(f"access.{service}", key(sent), sent.payload().encode()) == sent


def test_it_listens_to_every_service():
    assert consumers.ACCESSES == ("access.audit", "access.auth", "access.recording_storage", "access.tenant_data")


def test_each_service_is_told_of_its_own_ids_once():
    one, two, other = event("auth"), event("auth"), event("tenant_data")
    messages = consumers.confirmations([one, other, two, one])
    told = {message.key: Stored.model_validate_json(message.payload) for message in messages}
    assert {message.topic for message in messages} == {"audit.stored"}
    assert told["auth"].event_ids == (one.event_id, two.event_id)
    assert told["tenant_data"].event_ids == (other.event_id,)
    assert {name: stored.service for name, stored in told.items()} == {"auth": "auth", "tenant_data": "tenant_data"}


def test_nothing_to_tell():
    assert consumers.confirmations([]) == []
