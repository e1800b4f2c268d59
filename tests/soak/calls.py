"""OpenBao's own audit file, read without the platform's reader: the calls that the access log must hold, each once.

A call whose second line was torn by a full disk was answered 500; nothing is expected of it.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from events.access import PLATFORM
from events.uuid7 import derived

_ENTRY = re.compile(rb'(?=\{"time":)')  # after a torn line the next one follows without a line's end
_CLIENT = re.compile(r"^transit/\w+/.*\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that OpenBao carried out or refused, and noted before it answered."""

    client: str  # whose key it was about; else the platform
    actor: str
    path: str
    request_id: str  # of the request that needed it, where the caller said so
    is_key: bool = True  # whether a key was used, made or asked after, which a client is to see as such
    is_allowed: bool = True


def read(path: Path) -> dict[str, Call]:
    """Every call of OpenBao's file, in its order, by the id of the access event that it must have become."""
    found = {}
    for piece in _ENTRY.split(path.read_bytes()):
        try:
            entry = json.loads(piece)
        except ValueError:
            continue
        if entry["type"] == "response":
            at = datetime.fromisoformat(entry["time"])
            found[str(derived(at, f"openbao|{entry['request']['id']}".encode()))] = _call(entry)
    return found


def _call(entry: dict[str, Any]) -> Call:
    request, auth = entry["request"], entry.get("auth") or {}
    named = auth.get("metadata") or {}
    about = _CLIENT.match(request["path"])
    ours = (request.get("headers") or {}).get("x-request-id") or [request["id"]]
    return Call(
        client=about[1] if about else str(PLATFORM),
        actor=named.get("common_name") or named.get("cert_name") or auth.get("display_name") or "",
        path=request["path"][:256],
        request_id=ours[0],
        is_key=request["path"].startswith("transit/"),
        is_allowed=not (entry.get("error") or "error" in ((entry.get("response") or {}).get("data") or {})),
    )
