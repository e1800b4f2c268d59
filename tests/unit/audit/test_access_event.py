"""04.4: an event comes back from its row with the same canonical bytes, and shows its client what it may see."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from audit import access_event
from audit.access_event import LogEntry
from events.access import AccessEvent, Action, Actor, Outcome, Resource, new_salt
from events.uuid7 import uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123456, tzinfo=UTC)
PLAIN = {
    "event_id": uuid7(AT),
    "occurred_at": AT,
    "service": "tenant_data",
    "client_id": uuid7(AT),
    "actor": Actor(type="user", id="u", label="Zoë 🦊"),
    "action": Action.GUEST_READ,
    "ip": "203.0.113.7",
    "request_id": "r",
    "salt": new_salt(),
}
FULL = {
    **PLAIN,
    "actor": Actor(type="operator", id="alice", label="alice"),
    "resources": (
        Resource(type="guest", id="b"),
        Resource(type="call", id='{"a",NULL}'),
        Resource(type="guest", id="b"),
    ),
    "guest_id": uuid7(AT),
    "ip": "",
    "user_agent": '\\x"{}\n',
    "outcome": Outcome.DENIED,
    "reason": "",
    "trace_id": "0" * 32,
}


def stored(event):
    """The row as PostgreSQL gives it back: JSON in, typed columns out."""
    row = json.loads(json.dumps(access_event.to_row(event)))
    for name in ("client_id", "event_id", "guest_id"):
        row[name] = row[name] and UUID(row[name])
    return {**row, "occurred_at": datetime.fromisoformat(row["occurred_at"]), "salt": bytes.fromhex(row["salt"])}


@pytest.mark.parametrize("fields", [PLAIN, FULL])
def test_the_canonical_bytes_survive_the_table(fields):
    event = AccessEvent(**fields)
    assert access_event.of_row(stored(event)).canonical() == event.canonical()


@pytest.mark.parametrize("salt", ["A" * 43, "_" * 42 + "8", new_salt()])
def test_every_salt_survives(salt):
    event = AccessEvent(**{**PLAIN, "salt": salt})
    row = stored(event)
    assert len(row["salt"]) == 32
    assert access_event.of_row(row).salt == salt


def test_an_entry_shows_what_the_contract_names_and_no_more():
    entry = json.loads(LogEntry.of(AccessEvent(**FULL)).model_dump_json())
    assert set(entry) == {
        "id", "occurred_at", "actor", "action", "resources", "ip", "user_agent", "outcome", "reason", "request_id",
    }  # fmt: skip
    assert entry["occurred_at"] == "2026-02-02T09:30:00.123Z"
    assert entry["actor"] == {"type": "operator", "id": "alice", "label": "alice"}
    assert entry["resources"][1] == {"type": "call", "id": '{"a",NULL}'}
    assert entry["outcome"] == "denied"
