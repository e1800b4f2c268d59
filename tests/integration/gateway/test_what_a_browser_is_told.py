"""02.2, 05.3: no answer is a page, sets a cookie or lets another origin read; nothing is spoken in clear, or echoed.

The routes come from the platform's own OpenAPI document: a new one is asked without being named.
"""

import re
import socket

import httpx2
import pytest

from support.edge import SECURITY
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import record

ABSENT = "01890000-0000-7000-8000-000000000000"
ELSEWHERE = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
PLAIN = b"GET /v1/guests HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n"


def reads(hotel: Hotel) -> list[str]:
    document = expect(hotel.http.get("/v1/openapi.json"), 200).json()
    return [re.sub(r"\{[^}]+\}", ABSENT, path) for path, methods in document["paths"].items() if "get" in methods]


def answers(hotel: Hotel) -> dict[str, httpx2.Response]:
    """Every route that reads, once with what is there and once with what is not, and three that refuse."""
    own = hotel.guest()["id"]
    paths = [*reads(hotel), f"/v1/guests/{own}", "/v1/nothing", "/nothing", "/v1/guests?limit=0"]
    paths.append(f"/v1/recordings/{record(hotel)['id']}/audio")
    paths += [f"/v1/access-events/export?format={kind}" for kind in ("csv", "jsonl")]
    return {path: hotel.admin.get(path, headers=ELSEWHERE) for path in paths}


def test_each_answer_says_what_it_is_and_is_no_page(otter: Hotel) -> None:
    told = answers(otter)
    assert len(told) > 15
    assert {200, 404, 422} <= {answer.status_code for answer in told.values()}
    assert "audio/wav" in {answer.headers["content-type"] for answer in told.values()}
    for path, answer in told.items():
        expected = "application/json" if answer.status_code < 400 else "application/problem+json"
        if answer.status_code == 200 and "export" in path:
            expected = "text/csv; charset=utf-8; header=present" if "csv" in path else "application/jsonl"
            name = f"access-events.{path.partition('=')[2]}"
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        if answer.status_code == 200 and path.endswith("/audio"):
            expected = "audio/wav"
        assert answer.headers["content-type"] == expected, path
        assert SECURITY.items() <= dict(answer.headers).items(), path


def test_no_other_origin_is_let_in_and_no_cookie_is_set(otter: Hotel) -> None:
    told = answers(otter)
    told["sign-in"] = otter.agent.enter_password()
    for path, answer in told.items():
        assert not [name for name in answer.headers if name.startswith("access-control-")], path
        assert "set-cookie" not in answer.headers, path


@pytest.mark.parametrize("path", ["/v1/guests", "/v1/sessions", "/v1/users/me/password", "/.well-known/jwks.json"])
def test_a_preflight_is_not_answered(otter: Hotel, path: str) -> None:
    asked = {**ELSEWHERE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = otter.http.request("OPTIONS", path, headers=asked)
    assert answer.status_code in {401, 405}
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "DEBUG", "CONNECT"])
def test_nothing_is_echoed(otter: Hotel, method: str) -> None:
    answer = otter.admin.request(method, "/v1/guests", headers={"A-Marker": "marker-7d21"})
    assert answer.status_code in {400, 401, 404, 405}, answer.text
    assert "marker-7d21" not in answer.text


@pytest.mark.parametrize("listener", ["gateway", "auth", "tenant_data", "audit", "recording_storage", "openbao"])
def test_plain_http_is_neither_answered_nor_redirected(stack: Machine, listener: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.port_of(listener)), timeout=5) as plain:
        plain.sendall(PLAIN)
        try:
            told = plain.recv(4096)
        except ConnectionResetError:
            told = b""
    # Go's listener says in plain words that it speaks TLS only; nobody leads anywhere else, nothing is served.
    assert not told.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.0 2", b"HTTP/1.0 3")), told
    assert b"location:" not in told.lower()


def test_a_name_with_markup_stays_text(otter: Hotel) -> None:
    name = '</script><script>alert(1)</script><!--" onload="x\u2028'
    created = expect(otter.agent.post("/v1/guests", json={"name": name}), 201)
    assert created.json()["name"] == name
    assert created.headers["content-type"] == "application/json"
