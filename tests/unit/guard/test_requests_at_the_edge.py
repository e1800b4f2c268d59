"""04.1, 04.4: what is wrong is a problem with a place, never the input; an address is believed from the gateway."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import Field

from guard import errors, http, intake, telemetry
from guard.body import Body
from guard.page import Limit

MARKER = "marker-0f3a"
JSON = {"content-type": "application/json"}
ID = "0190a0b0-0000-7000-8000-000000000001"

router = APIRouter()


class Part(Body):
    text: str


class Thing(Body):
    name: Annotated[str, Field(max_length=40)]
    count: int = 0
    is_on: bool = False
    kind: Literal["a", "b"] = "a"
    other: UUID | None = None
    parts: tuple[Part, ...] = ()
    words: Annotated[dict[str, str], Field(default_factory=dict)]


@router.post("/v1/things", status_code=201)
async def create(thing: Thing) -> dict[str, str]:
    return {"name": thing.name}


@router.get("/v1/things")
async def many(limit: Limit) -> dict[str, int]:
    return {"limit": limit}


@router.get("/v1/things/{thing_id}")
async def one(thing_id: UUID, request: Request) -> dict[str, str]:
    request.scope["state"]["access_event"] = str(thing_id)
    return {"ip": request.scope["state"]["ip"]}


@router.delete("/v1/things/{thing_id}", status_code=204)
async def delete(thing_id: UUID) -> None:
    return None


@router.get("/v1/fault/{kind}")
async def fault(kind: str, request: Request) -> None:
    if kind == "unknown":
        raise ValueError(MARKER)
    if kind == "denied":
        request.scope["state"]["access_event"] = ID
        raise errors.Forbidden("guest:read")
    raise {"missing": errors.NotFound, "away": errors.Unavailable, "lost": ConnectionResetError}[kind]


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def api() -> FastAPI:
    made = http.app("things", [router], lifespan=lifespan)
    made.state.checks = []
    made.state.build = "0123456789abcdef"
    return made


def from_peer(api: FastAPI, *names: str) -> httpx2.AsyncClient:
    """A client whose connection carries a certificate with these names."""

    async def with_peer(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"] = {"tls_peer": {"names": names}}
        await api(scope, receive, send)

    transport = httpx2.ASGITransport(app=with_peer, raise_app_exceptions=False, client=("10.0.0.9", 1))
    return httpx2.AsyncClient(transport=transport, base_url="https://things.test")


@pytest.fixture
def gateway(api: FastAPI) -> httpx2.AsyncClient:
    return from_peer(api, "DNS:localhost", "URI:spiffe://konci/gateway")


def problem(answer: httpx2.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == (f"/problems/{kind}", status)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"title", "detail", "instance"} <= set(body)
    return body


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b'{"name": "\xff"}',
            b'{"name": "x", "count": ' + b"9" * 5000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 500 + b"1" + b"}" * 500,
            b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}",
            b"{" + b",".join(b'"f%d":1' % number for number in range(20_001)) + b"}",
            '{"name": "x"}'.encode("utf-16"),
        ],
    )
    async def test_is_a_400(self, gateway: httpx2.AsyncClient, body: bytes) -> None:
        problem(await gateway.post("/v1/things", content=body, headers=JSON), 400, "malformed")

    async def test_brackets_in_a_text_are_no_depth(self, gateway: httpx2.AsyncClient) -> None:
        body = json.dumps({"name": 'a"\\' + "[{" * 15, "parts": [{"text": "[" * 99 + 'at 12:30: "' * 999}] * 60})
        answer = await gateway.post("/v1/things", content=body, headers=JSON)
        assert answer.status_code == 201

    @pytest.mark.parametrize("piece", [b'"[\\', b'"\\"[', b'["', b'\\"[', b"[", b"{}", b'"', b"\\"])
    def test_depth_is_measured_in_linear_time(self, piece: bytes) -> None:
        intake._is_too_deep(piece * (2**20 // len(piece)))  # a quadratic one would not come back


class TestTooMuch:
    async def test_over_one_mebibyte_is_a_413(self, gateway: httpx2.AsyncClient) -> None:
        body = b'{"name": "' + b"x" * 2**20 + b'"}'
        problem(await gateway.post("/v1/things", content=body, headers=JSON), 413, "too-large")

    async def test_in_chunks_too(self, gateway: httpx2.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 2**16

        problem(await gateway.post("/v1/things", content=chunks(), headers=JSON), 413, "too-large")

    @pytest.mark.parametrize("media", [None, "text/plain", "application/jsonx", "multipart/form-data", "text/json"])
    async def test_another_media_type_is_a_415(self, gateway: httpx2.AsyncClient, media: str | None) -> None:
        headers = {"content-type": media} if media else {}
        answer = await gateway.post("/v1/things", content=b'{"name":"x"}', headers=headers)
        problem(answer, 415, "wrong-media")

    async def test_a_charset_is_no_other_media_type(self, gateway: httpx2.AsyncClient) -> None:
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert (await gateway.post("/v1/things", content=b'{"name":"x"}', headers=headers)).status_code == 201


class TestInvalid:
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            (b"{}", "/name"),
            (b"", "/"),
            (b"null", "/"),
            (b"[]", "/"),
            (b'{"name": 5}', "/name"),
            (b'{"name": "x", "count": "5"}', "/count"),
            (b'{"name": "x", "count": 5.5}', "/count"),
            (b'{"name": "x", "count": true}', "/count"),
            (b'{"name": "x", "count": NaN}', "/count"),
            (b'{"name": "x", "is_on": "yes"}', "/is_on"),
            (b'{"name": "x", "is_on": 1}', "/is_on"),
            (b'{"name": "x", "kind": "c"}', "/kind"),
            (b'{"name": "x", "other": "marker-0f3a"}', "/other"),
            (b'{"name": "x", "other": "\\ud800"}', "/other"),
            (b'{"name": "x", "more~/": 1}', "/more~0~1"),
            (b'{"name": "a\\u0000b"}', "/name"),
            (b'{"name": "a\\ud800b"}', "/name"),
            (b'{"name": "x", "parts": [{"text": "y"}, {"text": "\\u0000"}]}', "/parts/1/text"),
            (b'{"name": "x", "parts": [{"text": "y", "z": 1}]}', "/parts/0/z"),
            (b'{"name": "x", "words": {"\\udfff": "y"}}', "/words"),
            (b'{"name": "marker-0f3amarker-0f3amarker-0f3amarker-0f3a"}', "/name"),
        ],
    )
    async def test_is_a_422_that_names_the_place(self, gateway: httpx2.AsyncClient, body: bytes, pointer: str) -> None:
        answer = await gateway.post("/v1/things", content=body, headers=JSON)
        found = problem(answer, 422, "invalid")["errors"]
        assert pointer in [entry["pointer"] for entry in found]
        assert all(entry["detail"] for entry in found)
        assert MARKER not in answer.text

    @pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=", "limit=1e9"])
    async def test_a_query_too(self, gateway: httpx2.AsyncClient, query: str) -> None:
        found = problem(await gateway.get(f"/v1/things?{query}"), 422, "invalid")["errors"]
        assert [entry["pointer"] for entry in found] == ["/limit"]

    @pytest.mark.parametrize("query", ["limit=1&limit=1", "limit=1&limit=", "limit=1&x=2&%6cimit=3"])
    async def test_a_parameter_given_twice(self, gateway: httpx2.AsyncClient, query: str) -> None:
        found = problem(await gateway.get(f"/v1/things?{query}"), 422, "invalid")["errors"]
        assert [entry["pointer"] for entry in found] == ["/"]  # a name that a caller made up is not repeated

    async def test_no_source_of_a_value_stands_in_for_another(self, gateway: httpx2.AsyncClient) -> None:
        answer = await gateway.post("/v1/things?name=x", content=b"{}", headers=JSON)
        assert [entry["pointer"] for entry in problem(answer, 422, "invalid")["errors"]] == ["/name"]
        answer = await gateway.get("/v1/things", headers={"limit": "7", "cookie": "limit=7"})
        assert answer.json() == {"limit": 50}

    @pytest.mark.parametrize("thing", ["x", "%00", "%F0%9F%8F%A8", "..%2f", ID + "0"])
    async def test_a_bad_id_too(self, gateway: httpx2.AsyncClient, thing: str) -> None:
        assert (await gateway.get(f"/v1/things/{thing}")).status_code in {404, 422}

    @pytest.mark.parametrize("text", ["Ñandú", "王", "🏨🛎️", "עברית", "a\u0301", "𐍈"])
    async def test_every_script_is_accepted_as_it_is(self, gateway: httpx2.AsyncClient, text: str) -> None:
        assert (await gateway.post("/v1/things", json={"name": text})).json() == {"name": text}


class TestNoSuchRoute:
    async def test_404(self, gateway: httpx2.AsyncClient) -> None:
        for path in ("/v1/other", "/v1/things/", "/docs", "/redoc", "/openapi.json", "/"):
            problem(await gateway.get(path), 404, "not-found")

    async def test_405_names_every_method(self, gateway: httpx2.AsyncClient) -> None:
        answer = await gateway.put("/v1/things")
        problem(answer, 405, "not-allowed")
        assert answer.headers["allow"] == "GET, POST"
        assert (await gateway.patch(f"/v1/things/{ID}")).headers["allow"] == "DELETE, GET"


class TestFaults:
    async def test_an_unknown_one_is_opaque_and_logged_without_its_text(
        self, gateway: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await gateway.get("/v1/fault/unknown")
        problem(answer, 500, "internal")
        assert MARKER not in answer.text
        record = caplog.records[-1]
        line = telemetry._JsonLines("things").format(record)
        assert record.levelno == logging.ERROR
        assert MARKER not in line
        assert json.loads(line)["error"] == "ValueError"
        assert "test_requests_at_the_edge.py" in json.loads(line)["at_line"]

    @pytest.mark.parametrize("kind", ["away", "lost"])
    async def test_an_outage_says_when_to_come_back(self, gateway: httpx2.AsyncClient, kind: str) -> None:
        answer = await gateway.get(f"/v1/fault/{kind}")
        problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0

    async def test_a_refusal_names_its_right_and_its_event(self, gateway: httpx2.AsyncClient) -> None:
        answer = await gateway.get("/v1/fault/denied")
        assert "guest:read" in problem(answer, 403, "forbidden")["detail"]
        assert answer.headers["access-event"] == ID

    async def test_nothing_that_happens_afterwards_reaches_the_next_request(self, gateway: httpx2.AsyncClient) -> None:
        await gateway.get("/v1/fault/denied")
        assert "access-event" not in (await gateway.get("/v1/fault/missing")).headers


class TestWhoAsks:
    headers = {  # noqa: RUF012 - read only
        "x-request-id": "from-outside",
        "x-envoy-external-address": "203.0.113.7",
        "x-forwarded-for": "198.51.100.1",
    }

    @pytest.mark.parametrize("names", [(), ("URI:spiffe://konci/auth",), ("DNS:gateway",), ("URI:spiffe://x/gateway",)])
    async def test_only_the_gateway_is_believed(self, api: FastAPI, names: tuple[str, ...]) -> None:
        async with from_peer(api, *names) as client:
            answer = await client.get(f"/v1/things/{ID}", headers=self.headers)
        assert answer.json() == {"ip": "10.0.0.9"}
        assert answer.headers["x-request-id"] != "from-outside"

    async def test_the_gateway_names_the_caller_and_the_request(self, gateway: httpx2.AsyncClient) -> None:
        answer = await gateway.get(f"/v1/things/{ID}", headers=self.headers)
        assert answer.json() == {"ip": "203.0.113.7"}
        assert answer.headers["x-request-id"] == "from-outside"
        assert answer.headers["access-event"] == ID


class TestLooks:
    async def test_alive_ready_and_measured(self, api: FastAPI, gateway: httpx2.AsyncClient) -> None:
        assert (await gateway.get("/healthz")).json() == {"status": "alive", "build": "0123456789abcdef"}
        assert (await gateway.get("/readyz")).status_code == 200
        await gateway.get(f"/v1/things/{ID}")
        measured = (await gateway.get("/metrics")).text
        assert 'route="/v1/things/{thing_id}"' in measured
        assert ID not in measured

        async def not_yet() -> None:
            raise errors.Unavailable

        api.state.checks = [not_yet]
        problem(await gateway.get("/readyz"), 503, "unavailable")

    async def test_openapi_3_1(self, gateway: httpx2.AsyncClient) -> None:
        described = (await gateway.get("/v1/openapi/things.json")).json()
        assert described["openapi"].startswith("3.1")
        assert set(described["paths"]) == {"/v1/things", "/v1/things/{thing_id}", "/v1/fault/{kind}"}
