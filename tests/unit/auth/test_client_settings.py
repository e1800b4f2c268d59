"""04.1: a client may shorten what the platform allows, never lengthen it; a change keeps what it does not name."""

from typing import Any

import pytest
from pydantic import ValidationError

from auth import client
from auth.client import ClientChange, SettingsChange


@pytest.mark.parametrize(
    "settings",
    [
        {"session_idle_seconds": 3601},
        {"session_idle_seconds": 299},
        {"session_absolute_seconds": 86401},
        {"session_absolute_seconds": 899},
        {"retention": {"recordings_days": 0}},
        {"retention": {"transcripts_days": 3651}},
        {"retention": {"emails_days": 1}},
        {"retention": None},
        {"totp_required": None},
        {"totp_required": "yes"},
        {"idle": 5},
    ],
)
def test_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClientChange.model_validate({"settings": settings})


@pytest.mark.parametrize(
    "body", [{"plan": "enterprise"}, {"name": ""}, {"name": " "}, {"name": None}, {"name": "x" * 201}]
)
def test_not_theirs_to_change(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClientChange.model_validate(body)


def test_the_rest_stays() -> None:
    old = client.at_first()
    change = SettingsChange.model_validate({"totp_required": True, "retention": {"transcripts_days": 30}})
    new = client.merged(old, change)
    assert new.totp_required
    assert new.retention.transcripts_days == 30
    assert new.retention.recordings_days == old.retention.recordings_days
    assert new.session_idle_seconds == old.session_idle_seconds
    assert client.merged(old, SettingsChange()) == old
