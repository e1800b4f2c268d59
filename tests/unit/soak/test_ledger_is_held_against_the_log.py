"""The soak's checker (04.4): each way in which a log can be wrong is planted, and found; a sound log is not accused."""

from dataclasses import replace
from pathlib import Path

import pytest

from events.access import PLATFORM
from soak import calls
from soak.account import Account
from soak.calls import Call
from soak.checker import Verdict, judge
from soak.entry import Entry
from soak.ledger import Attempt, Ledger, heard, read

AT = 1_800_000_000.0
GUEST = (("guest", "g1"),)
ANSWERED = Attempt(1, AT, "otter", "ada", "guest:read", "allowed", GUEST, status=200, event="e1", request_id="r1")
UNANSWERED = Attempt(2, AT, "otter", "ada", "guest:read", "allowed", GUEST, ended=AT + 1, lost="EOFError")
ENTRY = Entry("e1", AT, "tenant_data", "otter", "user", "ada", "guest:read", GUEST, "allowed", "soak/1", "r1", AT + 1)
UNNAMED = replace(ENTRY, event="e2", user_agent="soak/2", request_id="r2")
JOINED = replace(
    ENTRY, event="j", service="auth", actor_type="operator", actor="tester", action="client:create", user_agent="konci"
)
UNWRAP = Call("otter", "tenant_data", "transit/tenant_data/decrypt/otter", "r1")
UNWRAPPED = replace(
    ENTRY, event="k", service="openbao", actor_type="service", actor="tenant_data", action="key:unwrap",
    resources=(("vault_path", UNWRAP.path),), user_agent="",
)  # fmt: skip
RETOLD = replace(
    ENTRY, event="s", service="auth", actor_type="service", actor="auth", action="client:read", user_agent=""
)
ACCOUNT = Account(clients=frozenset({"otter"}), heard=frozenset({"h"}), calls={"k": UNWRAP}, calls_due=1, retold=2)
HEARD = replace(ENTRY, event="h", user_agent="python")
OWN = (JOINED, UNWRAPPED, HEARD)  # what the account says must be in a log


def judged(*attempts: Attempt, log: tuple[Entry, ...], account: Account | None = None) -> Verdict:
    return judge({attempt.number: attempt for attempt in attempts}, log, account or Account())


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
    assert counts(judged(first, second, log=log)) == (0, 1, 0, 0)


def test_one_key_whose_first_guest_nobody_was_told_of():
    first = replace(UNANSWERED, action="guest:create", once="k", resources=None)
    second = replace(ANSWERED, action="guest:create", once="k", resources=(("guest", "g2"),))
    log = (
        replace(UNNAMED, action="guest:create", resources=(("guest", "g1"),)),
        replace(ENTRY, action="guest:create", resources=(("guest", "g2"),)),
    )
    assert counts(judged(first, second, log=log)) == (0, 1, 0, 0)
    same = (replace(log[0], resources=(("guest", "g2"),)), log[1])
    assert counts(judged(first, second, log=same)) == (0, 0, 0, 0)


def test_an_answer_that_carried_data_and_named_no_entry():
    assert counts(judged(replace(UNANSWERED, status=201, lost=None), log=()))[0] == 1
    poison = replace(UNANSWERED, status=0, lost=None)  # put on the bus by hand, and may never be stored
    assert counts(judged(poison, log=())) == (0, 0, 0, 0)


def accounted(*more: Entry, without: Entry | None = None) -> tuple[int, int, int, int]:
    """What is found in a log with all that the account says in it, but for one, and with `more`."""
    log = tuple(entry for entry in OWN if entry is not without)
    return counts(judged(ANSWERED, UNANSWERED, log=(ENTRY, *log, *more), account=ACCOUNT))


def test_an_answer_that_should_have_named_its_entry():
    told = replace(UNANSWERED, status=401, lost=None)
    assert counts(judged(told, log=(UNNAMED,))) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("actor", "action"),
    [
        ("audit", "guest:read"),
        ("auth", "client:delete"),
        ("tenant_data", "transcript:delete"),
        ("auth", "session:create"),
        ("tenant_data", "client:read"),
    ],
)
def test_a_service_that_does_what_nothing_called_for(actor: str, action: str):
    invented = replace(RETOLD, service=actor, actor=actor, action=action)
    assert accounted(invented) == (0, 0, 0, 1)


def test_a_client_that_is_told_of_more_often_than_kafka_lost_it():
    told = [replace(RETOLD, event=f"s{turn}") for turn in range(3)]
    assert accounted(*told[:2]) == (0, 0, 0, 0)
    assert accounted(*told) == (0, 0, 0, 1)


@pytest.mark.parametrize(("field", "value"), [("client", "heron"), ("outcome", "denied"), ("actor_type", "user")])
def test_a_service_that_reads_another_client(field: str, value: str):
    assert accounted(replace(RETOLD, **{field: value})) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "action", ["key:unwrap", "key:export", "secret:read", "certificate:issue", "credential:issue", "vault:change"]
)
def test_a_call_that_openbao_never_got(action: str):
    assert accounted(replace(UNWRAPPED, event="x", action=action)) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", "heron"),
        ("actor", "auth"),
        ("request_id", "r2"),
        ("resources", (("vault_path", "transit/x"),)),
        ("action", "secret:read"),
        ("outcome", "denied"),
    ],
)
def test_a_call_that_openbao_tells_otherwise(field: str, value: object):
    assert accounted(replace(UNWRAPPED, **{field: value}), without=UNWRAPPED) == (0, 0, 0, 1)


def test_a_key_that_another_clients_request_used():
    call = replace(UNWRAP, client="heron")
    account = replace(ACCOUNT, calls={"k": call}, clients=ACCOUNT.clients | {"heron"})
    joined = replace(JOINED, event="j2", client="heron")
    log = (ENTRY, JOINED, joined, HEARD, replace(UNWRAPPED, client="heron"))
    assert counts(judged(ANSWERED, log=log, account=account)) == (0, 0, 0, 1)


def test_a_key_of_nobody_in_the_run():
    account = replace(ACCOUNT, calls={"k": replace(UNWRAP, client="heron", request_id="r9")})
    log = (ENTRY, JOINED, HEARD, replace(UNWRAPPED, client="heron", request_id="r9"))
    assert counts(judged(ANSWERED, log=log, account=account)) == (0, 0, 0, 1)


@pytest.mark.parametrize("entry", OWN, ids=["joined", "OpenBao's call", "heard"])
def test_what_the_account_knows_and_the_log_lacks(entry: Entry):
    assert accounted(without=entry) == (1, 0, 0, 0)


@pytest.mark.parametrize("entry", OWN, ids=["joined", "OpenBao's call", "heard"])
def test_what_the_account_knows_twice(entry: Entry):
    assert accounted(entry) == (0, 1, 0, 0)


def test_an_entry_of_before_the_run_that_nobody_was_told_of():
    early = {"at": AT - 60, "stored": AT - 60, "user_agent": "python"}
    assert accounted(replace(ENTRY, event="x", **early)) == (0, 0, 0, 1)
    assert accounted(replace(JOINED, event="x", **early)) == (0, 0, 0, 1)


def test_what_is_explained():
    registered = replace(
        RETOLD, event="o", client=str(PLATFORM), action="operator:register", resources=(("operator", "tester"),)
    )
    refused = replace(UNANSWERED, number=4, status=503, lost=None)
    log = (ENTRY, UNNAMED, *OWN, RETOLD, registered, replace(UNNAMED, event="e4", user_agent="soak/4"))
    verdict = judged(ANSWERED, UNANSWERED, refused, log=log, account=ACCOUNT)
    assert verdict.holds, verdict.told()
    assert verdict.explained == {
        "answered": 1, "unanswered": 1, "answered 503": 1, "openbao": 1, "before the run": 1,
        "auth's own client:create": 1, "auth's own client:read": 1, "auth's own operator:register": 1,
    }  # fmt: skip


def test_a_stack_that_was_kept():
    account = replace(ACCOUNT, kept_before=AT)
    old = replace(UNWRAPPED, event="x", stored=AT - 1)
    assert judged(ANSWERED, log=(ENTRY, *OWN, old), account=account).holds
    assert not judged(ANSWERED, log=(ENTRY, *OWN, replace(old, stored=AT + 1)), account=account).holds


def test_openbaos_file_is_read_past_torn_lines(tmp_path: Path):
    client = "0198c0de-0000-7000-8000-000000000001"
    line = (
        '{"time":"2026-11-26T14:28:48.456817307Z","type":"%s","auth":{"metadata":{"common_name":"tenant_data"}},'
        '"request":{"id":"%s","path":"transit/tenant_data/decrypt/' + client + '","headers":{"x-request-id":["r1"]}}}'
    )
    torn = (line % ("response", "b"))[:80]
    lines = [line % ("request", "a"), line % ("response", "a"), torn + line % ("response", "c")]
    (tmp_path / "audit.log").write_text("\n".join(lines) + "\n")
    found = calls.read(tmp_path / "audit.log")
    assert list(found.values()) == [Call(client, "tenant_data", f"transit/tenant_data/decrypt/{client}", "r1")] * 2


def test_a_clock_that_was_off():
    attempt = replace(UNANSWERED, skew=630.0)
    assert judged(attempt, log=(replace(UNNAMED, at=AT + 600),)).holds
    assert judged(attempt, log=(replace(UNNAMED, at=AT - 600),)).holds


def test_the_ledger_is_read_as_it_was_written(tmp_path: Path):
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        ledger.asks("otter", "ada", "guest:list", once="k", skew=1.0)
        ledger.asks("otter", "ada", "guest:read", outcome="denied", resources=GUEST, request_id="r")
        ledger.asks("otter", "ada", "guest:read")
        ledger.hears("h1")
        ledger.hears(None)
        ledger.told(1, 200, "e1", "r1", GUEST)
        ledger.lost(2, "EOFError")
    first, second, third = read(tmp_path / "ledger.jsonl").values()
    assert (first.event, first.status, first.resources, first.once, first.skew) == ("e1", 200, GUEST, "k", 1.0)
    assert (second.outcome, second.resources, second.request_id, second.lost) == ("denied", GUEST, "r", "EOFError")
    assert (third.status, third.event, third.lost) == (None, None, None)
    assert heard(tmp_path / "ledger.jsonl") == {"h1"}
    assert (ledger.attempts, ledger.events, ledger.unanswered, ledger.by_status) == (3, 1, 1, {"200": 1})
