"""02.4: what OpenBao 2.7.2 wrote about a morning's calls, as access events. `vault_audit.jsonl` is its own output."""

import json
from pathlib import Path

import pytest

from audit import vault_log
from events.access import PLATFORM, Outcome

RECORDED = (Path(__file__).parent / "vault_audit.jsonl").read_bytes().splitlines()
CLIENT = "01a20b8c-84b2-75a1-b62f-303ab9355a15"
DECRYPTED = next(line for line in RECORDED if b'"type":"response"' in line and f"decrypt/{CLIENT}".encode() in line)


def entry(line=DECRYPTED, **changes):
    parsed = json.loads(line)
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if key:
            parsed[part][key] = value
        else:
            parsed[part] = value
    return json.dumps(parsed, separators=(",", ":")).encode()


def test_a_recorded_morning():
    events = [event for line in RECORDED if (event := vault_log.event_of(line))]
    told = [(e.client_id != PLATFORM, e.actor.type, e.actor.id, e.action.value, e.outcome.value) for e in events]
    assert told == [
        *[(False, "service", "root", "vault:change", "allowed")] * 5,
        (False, "service", "auth", "vault:login", "allowed"),
        (True, "service", "auth", "key:create", "allowed"),
        (True, "service", "auth", "key:create", "allowed"),
        (True, "service", "auth", "key:unwrap", "allowed"),
        (True, "service", "auth", "key:unwrap", "failed"),
        (True, "service", "auth", "key:delete", "denied"),
        (True, "unknown", "", "key:unwrap", "denied"),
        (False, "unknown", "", "vault:login", "denied"),
    ]
    assert {str(event.client_id) for event in events} == {str(PLATFORM), CLIENT}
    assert {event.ip for event in events} == {"127.0.0.1"}
    assert {event.service for event in events} == {"openbao"}
    assert [event.request_id for event in events][5:] == ["rid-1"] * 8


def test_an_unwrap_names_the_key_and_its_time():
    event = vault_log.event_of(DECRYPTED)
    assert event.resources[0].id == f"transit/auth/decrypt/{CLIENT}"
    assert event.occurred_at.isoformat(timespec="milliseconds")[:19] == json.loads(DECRYPTED)["time"][:19]


def test_a_line_that_is_read_twice_is_one_event():
    one, other = vault_log.event_of(DECRYPTED), vault_log.event_of(DECRYPTED)
    assert one.event_id == other.event_id


def test_two_calls_of_one_moment_are_two_events():
    other = entry(request__id="another")
    assert vault_log.event_of(other).event_id != vault_log.event_of(DECRYPTED).event_id


@pytest.mark.parametrize("fraction", ["", ".1", ".123456", ".123456789"])
def test_every_precision_of_time(fraction):
    event = vault_log.event_of(entry(time=f"2026-11-24T03:25:29{fraction}Z"))
    assert event.occurred_at.second == 29


@pytest.mark.parametrize(
    ("path", "operation", "action"),
    [
        (f"transit/auth/decrypt/{CLIENT}", "update", "key:unwrap"),
        (f"transit/auth/datakey/plaintext/{CLIENT}", "update", "key:create"),
        (f"transit/auth/keys/{CLIENT}", "update", "key:create"),
        (f"transit/auth/keys/{CLIENT}", "read", "key:read"),
        (f"transit/auth/keys/{CLIENT}", "delete", "key:delete"),
        (f"transit/auth/keys/{CLIENT}/rotate", "update", "key:change"),
        (f"transit/auth/keys/{CLIENT}/config", "update", "key:change"),
        (f"transit/auth/export/encryption-key/{CLIENT}/1", "read", "key:export"),
        (f"transit/auth/backup/{CLIENT}", "read", "key:export"),
        (f"transit/auth/rewrap/{CLIENT}", "update", "key:use"),
        ("transit/auth/sign/token-signing", "update", "key:use"),
        ("transit/auth/keys/token-signing", "read", "key:read"),
        ("pki/issue/auth", "update", "certificate:issue"),
        ("database/creds/auth-request", "read", "credential:issue"),
        ("kv/data/auth/seal", "read", "secret:read"),
        ("kv/data/auth/seal", "update", "vault:change"),
        ("sys/policies/acl/auth", "read", "vault:read"),
        ("auth/token/renew-self", "update", "vault:change"),
        ("transit", "read", "vault:read"),
        ("transit/auth", "list", "key:use"),
    ],
)
def test_what_was_done_and_whose_it_was(path, operation, action):
    event = vault_log.event_of(entry(request__path=path, request__operation=operation))
    assert event.action.value == action
    assert str(event.client_id) == (CLIENT if CLIENT in path else str(PLATFORM))


@pytest.mark.parametrize("path", [f"kv/data/auth/{CLIENT}", f"transit/{CLIENT}/keys/x", f"transit/auth/{CLIENT}"])
def test_a_clients_id_elsewhere_in_a_path_is_not_its_key(path):
    assert vault_log.event_of(entry(request__path=path)).client_id == PLATFORM


def test_an_operator_is_a_person():
    metadata = {"cert_name": "operator", "common_name": "operator:alice"}
    actor = vault_log.event_of(entry(auth={"display_name": "cert-operator", "metadata": metadata})).actor
    assert (actor.type, actor.id) == ("operator", "alice")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"error": "1 error occurred:\n\t* permission denied\n\n"}, Outcome.DENIED),
        ({"error": "internal error"}, Outcome.FAILED),
        ({"response": {"data": {"error": "hmac-sha256:ab"}}}, Outcome.FAILED),
        ({"response": None}, Outcome.ALLOWED),
    ],
)
def test_how_it_ended(changes, outcome):
    assert vault_log.event_of(entry(**changes)).outcome is outcome


def test_without_our_request_id_its_own_is_used():
    parsed = json.loads(DECRYPTED)
    del parsed["request"]["headers"]
    assert vault_log.event_of(json.dumps(parsed).encode()).request_id == parsed["request"]["id"]


def test_the_first_of_the_two_lines_of_a_call_is_no_event():
    assert vault_log.event_of(entry(type="request")) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        DECRYPTED[:200],
        b"\xff\xfe",
        b'{"type":"response"}',
        entry(time="noon"),
        entry(request="?"),
        entry(request__path=None, time=None),
    ],
)
def test_an_unreadable_line_is_said_to_be_so_and_never_quoted(line):
    with pytest.raises(vault_log.Unreadable) as refused:
        vault_log.event_of(line)
    assert not refused.value.args
    assert refused.value.__cause__ is None


def test_the_entry_after_a_torn_one_is_saved():
    # A full disk tears the last line; the next entry follows it without a line's end.
    saved = vault_log.event_of(DECRYPTED[:300] + DECRYPTED)
    assert saved.event_id == vault_log.event_of(DECRYPTED).event_id
