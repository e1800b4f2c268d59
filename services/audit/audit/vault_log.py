"""OpenBao's audit entries as access events: whose key was used, by whom, how it ended (02.4, invariant 8). No I/O.

OpenBao writes two lines for a call, the second before it answers: that one is read, so nothing left it unseen.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from events.access import PLATFORM, AccessEvent, Action, Actor, Outcome, Resource, canonical_address, new_salt
from events.uuid7 import derived

SERVICE = "openbao"
_START = b'{"time":'  # every entry begins so: after a torn line the next one follows without a line's end
_TRANSIT_PARTS = 4  # transit/<service>/<verb>/…/<key>
_OPERATOR = "operator:"
_READS = {"read", "list", "help"}
_KEY_VERBS = {
    "decrypt": Action.KEY_UNWRAP,
    "datakey": Action.KEY_CREATE,
    "export": Action.KEY_EXPORT,
    "byok-export": Action.KEY_EXPORT,
    "backup": Action.KEY_EXPORT,
    "restore": Action.KEY_CHANGE,
}


class Unreadable(Exception):
    """A line that is no audit entry: torn by a full disk, or not OpenBao's."""


def event_of(line: bytes) -> AccessEvent | None:
    """The access event of one line; None when it needs none. Raises Unreadable, which never quotes the line."""
    entry = _entry(line)
    if entry.get("type") != "response":
        return None
    try:
        return _event(entry)
    except (KeyError, TypeError, ValueError, AttributeError):
        # `from None`: the cause would quote the line.
        raise Unreadable from None


def _entry(line: bytes) -> dict[str, Any]:
    for start in (0, line.rfind(_START)):
        try:
            entry = json.loads(line[max(start, 0) :])
        except ValueError:
            continue
        if isinstance(entry, dict):
            return entry
    raise Unreadable


def _event(entry: Mapping[str, Any]) -> AccessEvent:
    request = entry["request"]
    at = datetime.fromisoformat(entry["time"]).astimezone(UTC)
    path = str(request["path"]).replace("\0", "")
    operation = str(request["operation"])
    key = _client_key(path)
    return AccessEvent(
        # Of time and OpenBao's id for the call: a line that is read twice is one event.
        event_id=derived(at, f"{SERVICE}|{request['id']}".encode()),
        occurred_at=at,
        service=SERVICE,
        client_id=PLATFORM if key is None else key,
        actor=_actor(entry.get("auth") or {}),
        action=_key_action(path, operation) if path.startswith("transit/") else _action(path, operation),
        resources=(Resource(type="vault_path", id=path[:256] or "/"),),
        ip=_address(request.get("remote_address")),
        outcome=_outcome(entry),
        request_id=_request_id(request),
        salt=new_salt(),
    )


def _client_key(path: str) -> UUID | None:
    """The client whose key `path` is about: keys in `transit/<service>/` are named by their client's id."""
    parts = path.split("/")
    if parts[0] != "transit" or len(parts) < _TRANSIT_PARTS:
        return None
    for part in parts[3:]:
        try:
            client_id = UUID(part)
        except ValueError:
            continue
        if str(client_id) == part:
            return client_id
    return None


def _key_action(path: str, operation: str) -> Action:
    _, _, verb, *rest = [*path.split("/"), "", ""]
    if verb in _KEY_VERBS:
        return _KEY_VERBS[verb]
    if verb != "keys":
        return Action.KEY_USE
    if operation == "delete":
        return Action.KEY_DELETE
    if operation in _READS:
        return Action.KEY_READ
    return Action.KEY_CHANGE if len([part for part in rest if part]) > 1 else Action.KEY_CREATE


def _action(path: str, operation: str) -> Action:
    parts = path.split("/")
    if parts[0] == "auth" and parts[-1] == "login":
        return Action.VAULT_LOGIN
    if operation in {"create", "update"} and "issue" in parts[1:2]:
        return Action.CERTIFICATE_ISSUE
    if parts[0] == "database" and "creds" in parts[1:2]:
        return Action.CREDENTIAL_ISSUE
    if parts[0] == "kv" and operation == "read":
        return Action.SECRET_READ
    return Action.VAULT_READ if operation in _READS else Action.VAULT_CHANGE


def _actor(auth: Mapping[str, Any]) -> Actor:
    metadata = auth.get("metadata") or {}
    name = str(metadata.get("common_name") or metadata.get("cert_name") or auth.get("display_name") or "")[:128]
    if name.startswith(_OPERATOR):
        operator = name.removeprefix(_OPERATOR)
        return Actor(type="operator", id=operator, label=operator)
    return Actor(type="service", id=name, label=name) if name else Actor(type="unknown", id="", label="")


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    auth = entry.get("auth") or {}
    error = str(entry.get("error") or "")
    failed = bool(error) or "error" in ((entry.get("response") or {}).get("data") or {})
    if not failed:
        return Outcome.ALLOWED
    is_login = str(entry["request"]["path"]).endswith("/login")
    refused = "permission denied" in error or (auth.get("policy_results") or {}).get("allowed") is False or is_login
    return Outcome.DENIED if refused else Outcome.FAILED


def _request_id(request: Mapping[str, Any]) -> str:
    """Ours when the call carried one: that joins the unwrap to the access that needed it."""
    ours = (request.get("headers") or {}).get("x-request-id") or []
    return str(ours[0] if ours else request["id"]).replace("\0", "")[:128]


def _address(text: object) -> str:
    try:
        return canonical_address(str(text))
    except ValueError:
        return ""
