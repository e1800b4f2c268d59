"""05.3: whatever a request holds, the answer is a 4xx problem that says where, never a 500; nothing is half-written.

The routes come from the platform's own OpenAPI document: a new one is tested without being named.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine

ABSENT = "01890000-0000-7000-8000-000000000000"
CREDENTIALS = 16_384  # bytes that the gateway takes on a route without a token
BAD_IDS = ("1", "not-an-id", "%00", "00000000-0000-0000-0000-00000000000g", "'; DROP TABLE guest; --", "é", "🦦")
TEXTS = ("\u0000", "a\u0000b", "\ud800", "a\udfff")


def _routes(otter: Hotel) -> Iterator[tuple[str, str, dict[str, Any]]]:
    document = expect(otter.http.get("/v1/openapi.json"), 200).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                yield method.upper(), path, operation


def _at(path: str, value: str = ABSENT) -> str:
    return re.sub(r"\{[^}]+\}", value, path)


def _reads_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", ())


def _writing(otter: Hotel) -> list[tuple[str, str]]:
    routes = [(method, path) for method, path, operation in _routes(otter) if _reads_json(operation)]
    assert len(routes) >= 12
    return routes


def _taking_audio(otter: Hotel) -> list[tuple[str, str]]:
    """What it is wrong by is looked at in tests/integration/recording_storage/test_uploading.py."""
    bodies = [(method, path, one) for method, path, one in _routes(otter) if "requestBody" in one]
    routes = [(method, path) for method, path, operation in bodies if not _reads_json(operation)]
    assert routes == [("POST", "/v1/calls/{call_id}/recordings")]
    return routes


def _assert_problem(answer: Any, *statuses: int) -> None:
    where = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code in statuses, where
    assert answer.headers["content-type"] == "application/problem+json", where
    if answer.request.method == "HEAD":
        assert answer.content == b"", where
        return
    problem = answer.json()
    assert {"type", "title", "status", "detail"} <= set(problem), where
    # What the gateway cannot even read as HTTP it refuses before the request has an id.
    assert "request_id" in problem or answer.status_code == 400, where
    assert problem["status"] == answer.status_code
    if answer.status_code == 422:
        assert problem["errors"], where
        assert all(entry["pointer"].startswith("/") and entry["detail"] for entry in problem["errors"]), where


async def _counts(stack: Machine) -> dict[str, int]:
    """Rows of each table that requests write to; others grow meanwhile, by events of tests before this one."""
    counts = {}
    for database in ("auth", "tenant_data", "recording_storage"):
        async with superuser(stack, database) as connection:
            for row in await connection.fetch(
                "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE a.attname = 'client_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
                " AND has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE')",
                f"{database}_request",
            ):
                counts[f"{database}.{row['name']}"] = await connection.fetchval(f"SELECT count(*) FROM {row['name']}")
    return counts


@pytest.fixture(scope="module", autouse=True)
async def _nothing_is_half_written(stack: Machine, otter: Hotel, heron: Hotel):
    before = await _counts(stack)
    yield
    after = await _counts(stack)
    # A refused sign-in may count itself; nothing of a client's may come to be.
    assert {"auth.client_user", "tenant_data.guest", "recording_storage.recording"} < before.keys()
    assert after == before


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b"{'name': 1}",
        b"\xff\xfe",
        b'{"a":1}{',
        b"[" * 5000 + b"]" * 5000,
    ],
    ids=["cut", "empty", "null", "array", "string", "infinite", "quotes", "bytes", "twice", "deep"],
)
def test_bodies_that_are_none(otter: Hotel, body: bytes) -> None:
    for method, path in _writing(otter):
        answer = otter.agent.request(method, _at(path), content=body, headers=JSON)
        _assert_problem(answer, 400, 401, 403, 404, 413, 422)


def test_unknown_fields(otter: Hotel) -> None:
    for method, path in _writing(otter):
        for extra in ("client_id", "is_admin", "role", "surprise"):
            answer = otter.agent.request(method, _at(path), json={extra: "x"})
            _assert_problem(answer, 401, 403, 422)


def test_wrong_types(otter: Hotel) -> None:
    for method, path, operation in _routes(otter):
        if not _reads_json(operation):
            continue
        for value in (None, 5, True, [], {}, "x" * 100_000, {"a": {"b": []}}, -1e308):
            fields = dict.fromkeys(
                ("name", "email", "password", "direction", "turns", "code", "role", "settings"), value
            )
            answer = otter.agent.request(method, _at(path), json=fields)
            # A stranger's body is 16 KiB at most: the gateway says so of the longest of these.
            too_large = (413,) if len(answer.request.content) > CREDENTIALS and "security" not in operation else ()
            _assert_problem(answer, 400, 401, 403, 404, 422, *too_large)


@pytest.mark.parametrize("text", TEXTS, ids=["nul", "inner nul", "high surrogate", "low surrogate"])
def test_text_that_cannot_be_stored(otter: Hotel, text: str) -> None:
    bodies = {
        "/v1/guests": {"name": text},
        "/v1/guests/search": {"email": text},
        "/v1/calls": {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z", "outcome": text},
        "/v1/sessions": {"email": text, "password": text},
        "/v1/users/activate": {"token": text, "password": text},
        "/v1/sessions/refresh": {"refresh_token": text},
    }
    for path, body in bodies.items():
        answer = otter.agent.post(path, content=json.dumps(body).encode(), headers=JSON)
        _assert_problem(answer, 422)


def test_media_types(otter: Hotel) -> None:
    for method, path in _taking_audio(otter):
        answer = otter.agent.request(method, _at(path), content=b'{"name":"a"}', headers=JSON)
        _assert_problem(answer, 415)
    for method, path in [*_writing(otter), *_taking_audio(otter)]:
        for media in (
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ):
            answer = otter.agent.request(method, _at(path), content=b'{"name":"a"}', headers={"Content-Type": media})
            _assert_problem(answer, 415)


def test_a_body_over_the_limit(otter: Hotel) -> None:
    for method, path in _writing(otter):
        answer = otter.agent.request(method, _at(path), content=b'{"name":"' + b"a" * 2**20 + b'"}', headers=JSON)
        _assert_problem(answer, 413)


def test_ids_that_are_none(otter: Hotel) -> None:
    for method, path, _ in _routes(otter):
        if "{" not in path:
            continue
        for bad in BAD_IDS:
            answer = otter.admin.request(
                method, _at(path, bad), json={} if method in ("PUT", "PATCH", "POST") else None
            )
            _assert_problem(answer, 400, 404, 405, 422)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=x", "cursor=%00", "cursor=AAAA"]
)
def test_pages_that_are_none(otter: Hotel, query: str) -> None:
    for path in ("/v1/guests", "/v1/calls", "/v1/users", "/v1/access-events"):
        _assert_problem(otter.admin.get(f"{path}?{query}"), 400, 422)


def test_methods_that_are_none(otter: Hotel) -> None:
    for path in ("/v1/guests", "/v1/sessions", "/v1/access-events"):
        answer = otter.admin.request("PUT", path, json={})
        _assert_problem(answer, 405)
        assert answer.headers["allow"]


def test_paths_that_are_none(otter: Hotel) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/internal/clients", "/metrics", "/healthz", "/v1/guests/", "/v1//guests"):
        answer = otter.agent.get(path)
        assert answer.status_code in (200, 400, 404) if path == "/v1//guests" else answer.status_code == 404, path
