"""04.4: the log as a file that a spreadsheet shows and never runs."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from audit import export
from audit.export import Format
from events.access import AccessEvent, Action, Actor, Resource, new_salt
from events.uuid7 import uuid7

AT = datetime(2026, 2, 2, 9, 30, 0, 123000, tzinfo=UTC)


def event(**changes):
    fields = {
        "event_id": uuid7(AT),
        "occurred_at": AT,
        "service": "tenant_data",
        "client_id": uuid7(AT),
        "actor": Actor(type="user", id="u", label="Zoë"),
        "action": Action.GUEST_READ,
        "resources": (Resource(type="guest", id="g"), Resource(type="call", id="c")),
        "ip": "203.0.113.7",
        "request_id": "r",
        "salt": new_salt(),
    }
    return AccessEvent(**{**fields, **changes})


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(first):
    attack = f"{first}HYPERLINK(A1)"
    text = export.lines(Format.CSV, [event(user_agent=attack, actor=Actor(type="user", id=attack, label=attack))])
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert row.count(f"'{attack}") == 3
    assert not [cell for cell in row if cell.startswith(first)]


@pytest.mark.parametrize("text", ["", "a=b", "Mozilla/5.0", "’quoted’", "'already"])
def test_other_cells_stay_as_they_are(text):
    assert export.safe_cell(text) == text


def test_csv_keeps_quotes_commas_lines_and_every_script():
    hard = 'a "b", c;\r\nd\u2028 🦊 עברית'
    text = export.header(Format.CSV) + export.lines(Format.CSV, [event(reason=hard), event()])
    names, one, two = csv.reader(io.StringIO(text, newline=""))
    assert dict(zip(names, one, strict=True))["reason"] == hard
    assert dict(zip(names, two, strict=True)) == {
        "id": two[0],
        "occurred_at": "2026-02-02T09:30:00.123Z",
        "actor_type": "user",
        "actor_id": "u",
        "actor_label": "Zoë",
        "action": "guest:read",
        "resources": "guest:g call:c",
        "ip": "203.0.113.7",
        "user_agent": "",
        "outcome": "allowed",
        "reason": "",
        "request_id": "r",
    }


def test_json_lines_are_entries_one_to_a_line():
    events = [event(reason="two\nlines"), event()]
    text = export.header(Format.JSONL) + export.lines(Format.JSONL, events)
    entries = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    assert [entry["id"] for entry in entries] == [str(given.event_id) for given in events]
    assert entries[0]["reason"] == "two\nlines"
    assert "salt" not in entries[0]
    assert "client_id" not in entries[0]
