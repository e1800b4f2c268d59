"""Topics as values: what a faulty entry of topics.yaml would be refused for."""

import pytest
from pydantic import ValidationError

from events.topic import Topic, access_topic, dead_letters_of

GOOD = {
    "name": "access.auth",
    "owner": "auth",
    "readers": ["audit"],
    "events": ["AccessEvent"],
    "partitions": 6,
    "cleanup": "delete",
    "retention_hours": 168,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "access"},
        {"name": "Access.auth"},
        {"owner": ""},
        {"partitions": 0},
        {"cleanup": "never"},
        {"retention_hours": None},
        {"cleanup": "compact"},
        {"writers": ["everyone"]},
    ],
)
def test_refused(changes):
    with pytest.raises(ValidationError):
        Topic.model_validate({**GOOD, **changes})


def test_a_good_one():
    assert Topic.model_validate(GOOD).owner == "auth"


def test_only_a_service_with_a_topic_has_one():
    with pytest.raises(KeyError):
        access_topic("gateway")
    assert access_topic("auth").owner == "auth"


def test_only_audit_writes_dead_letters_of_accesses():
    with pytest.raises(KeyError):
        dead_letters_of("auth.revocations")
    assert dead_letters_of("access.auth").owner == "audit"
