"""What a call may be made of: aware times in order, and nothing that only looks like a time."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from guard.errors import Invalid
from tenant_data import call
from tenant_data.call import CallChange, NewCall
from tenant_data.transcript import TranscriptContent

TEN = "2026-11-01T10:00:00Z"
ELEVEN = "2026-11-01T11:00:00Z"


@pytest.mark.parametrize(
    "started_at",
    [
        "2026-11-01T10:00:00",
        "2026-11-01",
        "1762000000",
        1762000000,
        1762000000.5,
        True,
        None,
        "tomorrow",
        "2026-11-01T10:00:00+25:00",
        "2026-02-30T10:00:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "٢٠٢٦-11-01T10:00:00Z",
    ],
)
def test_no_time(started_at: object) -> None:
    with pytest.raises(ValidationError):
        NewCall.model_validate({"direction": "inbound", "started_at": started_at})


@pytest.mark.parametrize(
    "body",
    [
        {"started_at": TEN},
        {"direction": "sideways", "started_at": TEN},
        {"direction": "inbound"},
        {"direction": "inbound", "started_at": ELEVEN, "ended_at": TEN},
        {"direction": "inbound", "started_at": TEN, "guest_id": "7"},
        {"direction": "inbound", "started_at": TEN, "guest_id": 7},
        {"direction": "inbound", "started_at": TEN, "from_number": "1" * 65},
        {"direction": "inbound", "started_at": TEN, "outcome": "o" * 501},
        {"direction": "inbound", "started_at": TEN, "outcome": "\0"},
        {"direction": "inbound", "started_at": TEN, "subject_id": str(uuid4())},
    ],
)
def test_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewCall.model_validate(body)


@pytest.mark.parametrize("written", [TEN, "2026-11-01T12:00:00+02:00", "2026-11-01t10:00:00z", "2026-11-01 10:00:00Z"])
def test_one_moment_in_every_spelling(written: str) -> None:
    taken = NewCall.model_validate({"direction": "inbound", "started_at": written}).started_at
    assert taken == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert taken.tzinfo is UTC


def test_a_call_may_end_as_it_starts() -> None:
    body = {"direction": "outbound", "started_at": TEN, "ended_at": TEN}
    assert NewCall.model_validate(body).ended_at == datetime(2026, 11, 1, 10, tzinfo=UTC)


def known(**facts: Any) -> call.Call:
    body = NewCall.model_validate({"direction": "inbound", "started_at": TEN, **facts})
    return call.known(uuid4(), body, 1, datetime(2026, 11, 1, 12, tzinfo=UTC))


class TestChange:
    @pytest.mark.parametrize("change", [{"direction": None}, {"started_at": None}, {"id": str(uuid4())}])
    def test_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            CallChange.model_validate(change)

    @pytest.mark.parametrize("change", [{"ended_at": "2026-11-01T09:59:59Z"}, {"started_at": "2026-11-01T12:00:00Z"}])
    def test_that_would_end_it_before_it_started(self, change: dict[str, Any]) -> None:
        with pytest.raises(Invalid) as refused:
            call.merge(known(ended_at=ELEVEN), CallChange.model_validate(change))
        assert refused.value.errors[0][0] == "/ended_at"

    def test_keeps_what_it_does_not_name(self) -> None:
        before = known(ended_at=ELEVEN, from_number="+1", outcome="booked", guest_id=str(uuid4()))
        after = call.merge(before, CallChange.model_validate({"outcome": None, "to_number": "+2"}))
        assert after.model_dump() == before.model_dump(include=set(NewCall.model_fields)) | {
            "outcome": None,
            "to_number": "+2",
        }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"turns": "hello"},
        {"turns": [{"speaker": "guest"}]},
        {"turns": [{"speaker": "bot", "text": "hello"}]},
        {"turns": [{"speaker": "guest", "text": "x" * 5_001}]},
        {"turns": [{"speaker": "guest", "text": "x\0"}]},
        {"turns": [{"speaker": "guest", "text": "\udc00"}]},
        {"turns": [{"speaker": "guest", "text": "x", "at": 5}]},
        {"turns": [{"speaker": "guest", "text": "x", "mood": "good"}]},
        {"turns": [{"speaker": "guest", "text": "x"}] * 2_001},
        {"turns": [], "language": "not a language"},
    ],
)
def test_no_transcript(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TranscriptContent.model_validate(body)


def test_the_longest_transcript() -> None:
    body = {"turns": [{"speaker": "guest", "text": "🧳" * 5_000}] * 2_000}
    assert len(TranscriptContent.model_validate(body).turns) == 2_000
