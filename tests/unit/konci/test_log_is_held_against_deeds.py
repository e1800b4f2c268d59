"""The demo's check of the access log (04.4): each way in which a log can be wrong is found."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from konci.access_log import Deed, Entry, discrepancies, draw, unexplained, without_steps

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ENTRY = Entry("e1", AT, "user", "u1", "ada", "guest:read", (("guest", "g1"),), "127.0.0.1", "allowed", None)
DEED = Deed("e1", "u1", "guest:read", "g1", "allowed")


def test_an_entry_that_is_missing():
    assert discrepancies([], [DEED]) == ["guest:read e1 is in the log 0 times, not once"]


def test_an_entry_that_is_there_twice():
    assert discrepancies([ENTRY, ENTRY], [DEED]) == ["guest:read e1 is in the log 2 times, not once"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("actor_id", "u2", "but u1 did"),
        ("action", "guest:list", "but u1 did"),
        ("outcome", "denied", "but u1 did"),
        ("resources", (("guest", "g2"),), "does not name the resource g1"),
        ("address", "", "has no address"),
    ],
)
def test_an_entry_that_says_something_else(field, value, said):
    (wrong,) = discrepancies([replace(ENTRY, **{field: value})], [DEED])
    assert said in wrong


def test_one_entry_given_to_two_answers():
    assert discrepancies([ENTRY], [DEED, DEED]) == ["e1 was given to two answers"]


def test_an_entry_that_nobody_made():
    extra = replace(ENTRY, event_id="e2")
    assert unexplained([ENTRY, extra], [DEED]) == [extra]


def test_entries_of_others_need_no_explanation():
    others = [
        replace(ENTRY, event_id="e2", actor_id="operator"),
        replace(ENTRY, event_id="e3", action="access_event:list"),
    ]
    assert unexplained(others, [DEED]) == []


@pytest.mark.parametrize(
    "changed",
    [{"actor_id": "u2"}, {"action": "guest:list"}, {"outcome": "denied"}, {"resources": (("guest", "g2"),)}],
    ids=["who", "what", "outcome", "whose"],
)
def test_what_is_no_step_of_an_upload(changed):
    other = replace(ENTRY, **changed)
    assert without_steps([other], [("u1", "guest:read", "g1")]) == ([other], [("u1", "guest:read", "g1")])


def test_a_step_of_an_upload_counts_once():
    assert without_steps([ENTRY, ENTRY], [("u1", "guest:read", "g1")]) == ([ENTRY], [])


def test_a_log_that_is_right():
    assert discrepancies([ENTRY], [DEED]) == []


def test_nothing_from_outside_moves_the_terminal():
    console = Console(width=200, record=True)
    console.print(draw("Log", [replace(ENTRY, actor_label="\x1b[2J[red]x[/red]", reason="a\nb")], {"u1": "agent"}))
    drawn = console.export_text()
    assert "\x1b" not in drawn
    assert "[red]x[/red]" in drawn
    assert "a\N{REPLACEMENT CHARACTER}b" in drawn
    assert "agent" in drawn


@pytest.mark.parametrize(("roles", "column"), [({"u1": "agent"}, "role"), ({}, "kind")])
def test_a_column_is_named_for_what_it_holds(roles, column):
    console = Console(width=200, record=True)
    console.print(draw("Log", [ENTRY], roles))
    assert column in console.export_text().splitlines()[2]
