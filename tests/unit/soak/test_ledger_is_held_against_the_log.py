"""The soak's checker (04.4): each way in which a log can be wrong is planted, and found; a sound log is not accused."""

from dataclasses import replace
from pathlib import Path

import pytest

from soak.checker import Entry, Verdict, judge
from soak.ledger import Attempt, Ledger, read

AT = 1_800_000_000.0
GUEST = (("guest", "g1"),)
ANSWERED = Attempt(1, AT, "otter", "ada", "guest:read", "allowed", GUEST, status=200, event="e1", request_id="r1")
UNANSWERED = Attempt(2, AT, "otter", "ada", "guest:read", "allowed", GUEST, ended=AT + 1, lost="EOFError")
ENTRY = Entry("e1", AT, "tenant_data", "otter", "user", "ada", "guest:read", GUEST, "allowed", "soak/1", "r1", AT + 1)
UNNAMED = replace(ENTRY, event="e2", user_agent="soak/2", request_id="r2")


def judged(*attempts: Attempt, log: tuple[Entry, ...]) -> Verdict:
    return judge({attempt.number: attempt for attempt in attempts}, log, began=AT - 10)


def counts(verdict: Verdict) -> tuple[int, int, int, int]:
    return len(verdict.lost), len(verdict.doubled), len(verdict.untrue), len(verdict.invented)


def test_a_missing_entry():
    verdict = judged(ANSWERED, log=())
    assert counts(verdict) == (1, 0, 0, 0)
    assert "attempt 1" in verdict.lost[0]
    assert not verdict.holds


def test_a_doubled_entry():
    assert counts(judged(ANSWERED, log=(ENTRY, ENTRY))) == (0, 1, 0, 0)


def test_a_second_entry_of_an_answered_request():
    assert counts(judged(ANSWERED, log=(ENTRY, replace(ENTRY, event="e9")))) == (0, 1, 0, 0)


def test_two_entries_of_an_unanswered_request():
    assert counts(judged(UNANSWERED, log=(UNNAMED, replace(UNNAMED, event="e3")))) == (0, 1, 0, 0)


@pytest.mark.parametrize("agent", ["soak/3", "Mozilla/5.0", ""])
def test_an_invented_entry(agent: str):
    assert counts(judged(ANSWERED, log=(ENTRY, replace(ENTRY, event="e9", user_agent=agent)))) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", "heron"),
        ("actor", "eve"),
        ("action", "guest:update"),
        ("outcome", "denied"),
        ("resources", (("guest", "g2"),)),
        ("at", AT - 60),
        ("at", AT + 300),
    ],
)
def test_an_entry_that_an_unanswered_request_does_not_explain(field: str, value: object):
    assert counts(judged(UNANSWERED, log=(replace(UNNAMED, **{field: value}),))) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", "heron"),
        ("actor", "eve"),
        ("action", "guest:update"),
        ("outcome", "denied"),
        ("resources", ()),
        ("request_id", "r2"),
        ("user_agent", "soak/2"),
    ],
)
def test_an_entry_that_says_something_else_than_the_ledger(field: str, value: object):
    assert counts(judged(ANSWERED, log=(replace(ENTRY, **{field: value}),))) == (0, 0, 1, 0)


def test_one_event_for_two_answers():
    assert counts(judged(ANSWERED, replace(ANSWERED, number=3), log=(ENTRY,)))[0] == 1


def test_one_key_that_created_two_guests():
    first = replace(ANSWERED, action="guest:create", once="k")
    second = replace(first, number=2, event="e2", request_id="r2", resources=(("guest", "g2"),))
    log = (
        replace(ENTRY, action="guest:create"),
        replace(UNNAMED, action="guest:create", resources=(("guest", "g2"),)),
    )
    assert counts(judged(first, second, log=log)) == (0, 0, 1, 0)


@pytest.mark.parametrize("action", ["guest:read", "client:delete"])
def test_a_service_that_does_what_it_has_no_business_to(action: str):
    entry = replace(ENTRY, event="e9", actor_type="service", actor="audit", action=action, user_agent="")
    assert counts(judged(log=(entry,))) == (0, 0, 0, 1)


def test_openbao_says_nothing_but_what_is_its_own():
    entry = replace(ENTRY, event="e9", service="openbao", actor_type="service", actor="audit", user_agent="")
    assert counts(judged(log=(entry,))) == (0, 0, 0, 1)


def test_what_is_explained():
    log = (
        ENTRY,
        UNNAMED,
        replace(ENTRY, event="k", service="openbao", actor_type="service", action="key:unwrap", user_agent=""),
        replace(ENTRY, event="s", actor_type="service", actor="auth", action="client:read", user_agent=""),
        replace(ENTRY, event="o", at=AT - 20, user_agent="python"),
        replace(ENTRY, event="p", stored=AT - 20),
    )
    refused = replace(UNANSWERED, number=4, status=503, lost=None)
    verdict = judged(ANSWERED, UNANSWERED, refused, log=(*log, replace(UNNAMED, event="e4", user_agent="soak/4")))
    assert verdict.holds
    assert verdict.explained == {
        "answered": 1, "unanswered": 1, "answered 503": 1, "openbao": 1, "service": 1, "before the run": 2,
    }  # fmt: skip


def test_a_clock_that_was_off():
    attempt = replace(UNANSWERED, skew=630.0)
    assert judged(attempt, log=(replace(UNNAMED, at=AT + 600),)).holds
    assert judged(attempt, log=(replace(UNNAMED, at=AT - 600),)).holds


def test_the_ledger_is_read_as_it_was_written(tmp_path: Path):
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        ledger.asks("otter", "ada", "guest:list", once="k", skew=1.0)
        ledger.asks("otter", "ada", "guest:read", outcome="denied", resources=GUEST, request_id="r")
        ledger.asks("otter", "ada", "guest:read")
        ledger.told(1, 200, "e1", "r1", GUEST)
        ledger.lost(2, "EOFError")
    first, second, third = read(tmp_path / "ledger.jsonl").values()
    assert (first.event, first.status, first.resources, first.once, first.skew) == ("e1", 200, GUEST, "k", 1.0)
    assert (second.outcome, second.resources, second.request_id, second.lost) == ("denied", GUEST, "r", "EOFError")
    assert (third.status, third.event, third.lost) == (None, None, None)
    assert (ledger.attempts, ledger.events, ledger.unanswered, ledger.by_status) == (3, 1, 1, {"200": 1})
