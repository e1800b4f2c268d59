"""04.3, 05.3: each route is written down with its right; a GET only reads; no address of ours holds what is personal.

The routes come from the code: a new one fails here until its README names it.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from guard.rights import NEEDS
from stack.settings import SERVICES
from support import tree
from support.routes import action, routes

# Documents for machines, and what is streamed: everything else answers with a model that names its fields.
WITHOUT_MODEL = {
    "GET /.well-known/jwks.json",
    "GET /v1/openapi.json",
    "GET /v1/access-events/export",
    "GET /v1/recordings/{recording_id}/audio",
    "HEAD /v1/recordings/{recording_id}/audio",
}
# Ids, times, words of closed lists, and places in a list.
PARAMETERS = {
    "user_id", "session_id", "guest_id", "call_id", "event_id", "name", "limit", "cursor", "from", "to", "actor_id",
    "action", "resource_type", "resource_id", "format", "recording_id",
}  # fmt: skip
READING = {"list", "read", "read_own", "search", "export", "play"}
ONLY_READ = {"GET", "HEAD"}


def of(service: str) -> Iterator[tuple[str, str, Any]]:
    """(method, path, route) of each route."""
    for route in routes(import_module(f"{service}.routes").router):
        for method in route.methods:
            yield method, route.path, route


EVERY = [(service, *found) for service in SERVICES for found in of(service)]


def documented(service: str) -> dict[str, str]:
    """What the README's tables say: `METHOD /path` with `{id}` for any id, and the right beside it."""
    rows = re.findall(r"^\| (`[A-Z]+`?.*?) \| (.+?) \|", tree.text(Path(f"services/{service}/README.md")), re.MULTILINE)
    told = {}
    for names, right in rows:
        methods: list[str] = []
        for code in re.findall(r"`([^`]+)`", names):
            *words, path = code.split(" ")
            methods = [*methods, *words] if path.startswith("/") else [*methods, code]
            if path.startswith("/"):
                told |= {f"{method} {_plain(path)}": right.strip("`") for method in methods if method.isupper()}
                methods = []
    return told


def _plain(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{id}", path.partition("?")[0])


@pytest.mark.parametrize("service", SERVICES)
def test_each_route_is_in_the_readme_with_its_right(service: str) -> None:
    there = {}
    for method, path, route in of(service):
        asked = action(route.dependant)
        there[f"{method} {_plain(path)}"] = str(NEEDS[asked]) if asked else None
    told = documented(service)
    assert there.keys() == told.keys()
    # Internal routes are for certificates, whose rules are words.
    assert {name: told[name] for name, right in there.items() if right} == {n: r for n, r in there.items() if r}
    assert {told[name] for name, right in there.items() if not right and "/internal" not in name} <= {"none"}


def test_a_get_only_reads() -> None:
    reading = {asked for _, method, _, route in EVERY if method in ONLY_READ if (asked := action(route.dependant))}
    assert len(reading) >= 9
    assert {asked.partition(":")[2] for asked in reading} <= READING
    changing = {asked for _, method, _, route in EVERY if method not in ONLY_READ if (asked := action(route.dependant))}
    assert {asked for asked in changing if asked.partition(":")[2] in READING} == {
        "guest:search",
        "access_event:search",
    }


def test_no_address_holds_what_is_personal() -> None:
    named = set()
    for _, _, _, route in EVERY:
        waiting = [route.dependant]
        while waiting:
            dependant = waiting.pop()
            named |= {field.alias for field in (*dependant.query_params, *dependant.path_params)}
            waiting += dependant.dependencies
            assert not dependant.cookie_params
    assert named == PARAMETERS


def test_each_answer_names_its_fields() -> None:
    without = {
        f"{method} {path}"
        for _, method, path, route in EVERY
        if route.status_code != 204 and not _names_fields(route.response_model)
    }
    assert without == WITHOUT_MODEL


def _names_fields(model: Any) -> bool:
    return any(isinstance(one, type) and issubclass(one, BaseModel) for one in (model, *getattr(model, "__args__", ())))
