"""What a service is shown of a request, and what is written down: known routes, clean headers, small bodies (05.3)."""

import httpx2
import pytest

from support.edge import SECURITY, Edge, assert_problem
from support.machine import wait_until

MIB = 1_048_576
FORGED = (
    "x-client-id",
    "X-Tenant",
    "x-user",
    "x-user-id",
    "x-jwt-payload",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-real-ip",
    "x-request-id",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-envoy-upstream-rq-timeout-ms",
    "x-chunked",
    "forwarded",
    "via",
    "true-client-ip",
    "b3",
    "traceparent",
    "tracestate",
    "baggage",
)


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        ["/", "/nothing", "/metrics", "/healthz", "/internal/clients", "/v1/../internal/clients", "//internal/clients"],
    )
    def test_what_is_not_there(self, own: Edge, http: httpx2.Client, path: str) -> None:
        assert_problem(http.get(path, headers=own.bearer(sid=path)), 404, "not-found")

    def test_unknown_under_v1(self, own: Edge, http: httpx2.Client) -> None:
        assert_problem(http.get("/v1/nothing", headers=own.bearer(sid="404")), 404, "not-found")

    def test_an_escaped_slash(self, own: Edge, http: httpx2.Client) -> None:
        assert_problem(http.get("/v1/guests%2f..%2finternal", headers=own.bearer(sid="slash")), 400, "malformed")

    @pytest.mark.parametrize(
        ("path", "service"),
        [
            ("/v1/sessions", "auth"),
            ("/v1/users/me", "auth"),
            ("/v1/clients/me", "auth"),
            ("/v1/guests/search", "tenant_data"),
            ("/v1/calls/1/transcript", "tenant_data"),
            ("/v1/access-events/export", "audit"),
            ("/v1//guests", "tenant_data"),
        ],
    )
    def test_to_its_service(self, own: Edge, http: httpx2.Client, path: str, service: str) -> None:
        answer = http.get(path, headers=own.bearer(sid=path))
        assert answer.json()["service"] == service
        assert answer.json()["path"] == path.replace("//", "/")

    @pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/v1/openapi.json", "/v1/openapi/audit.json"])
    def test_without_a_token(self, http: httpx2.Client, path: str) -> None:
        assert http.get(path).status_code == 200


class TestHeaders:
    def test_what_callers_say_of_themselves_does_not_arrive(self, own: Edge, http: httpx2.Client) -> None:
        forged = dict.fromkeys(FORGED, "forged")
        answer = http.get("/v1/guests", headers={**forged, **own.bearer(sid="forger")})
        assert "forged" not in answer.text
        arrived = dict(answer.json()["headers"])
        assert arrived["x-envoy-external-address"] == "127.0.0.1"
        assert arrived["x-request-id"] == answer.headers["x-request-id"]
        assert arrived["authorization"].startswith("Bearer ")

    def test_hop_by_hop_naming_strips_nothing_of_ours(self, own: Edge, http: httpx2.Client) -> None:
        headers = {"Connection": "keep-alive, x-envoy-external-address, x-request-id", **own.bearer(sid="hop")}
        answer = http.get("/v1/guests", headers=headers)
        assert answer.status_code == 200, answer.text
        assert dict(answer.json()["headers"])["x-envoy-external-address"] == "127.0.0.1"

    def test_underscore_twins(self, own: Edge, http: httpx2.Client) -> None:
        answer = http.get("/v1/guests", headers={"x_client_id": "forged", **own.bearer(sid="twin")})
        assert_problem(answer, 400, "malformed")

    def test_too_long(self, own: Edge, http: httpx2.Client) -> None:
        answer = http.get("/v1/guests", headers={"a": "x" * 20_000, **own.bearer(sid="long")})
        assert_problem(answer, 431, "headers-too-large")

    def test_too_many(self, own: Edge, http: httpx2.Client) -> None:
        many = {f"a{number}": "x" for number in range(100)}
        answer = http.get("/v1/guests", headers={**many, **own.bearer(sid="many")})
        assert_problem(answer, 431, "headers-too-large")

    def test_answers_are_hardened_and_anonymous(self, own: Edge, http: httpx2.Client) -> None:
        answer = http.get("/v1/guests", headers=own.bearer(sid="hardened"))
        assert SECURITY.items() <= dict(answer.headers).items()
        assert not {"server", "x-powered-by", "x-envoy-upstream-service-time"} & answer.headers.keys()


class TestBodies:
    def test_over_1_mib(self, own: Edge, http: httpx2.Client) -> None:
        before = len(own.services["tenant_data"].seen)
        answer = http.post("/v1/guests", content=b"x" * (MIB + 1), headers=own.bearer(sid="large"))
        assert_problem(answer, 413, "too-large")
        assert len(own.services["tenant_data"].seen) == before

    def test_exactly_1_mib(self, own: Edge, http: httpx2.Client) -> None:
        answer = http.post("/v1/guests", content=b"x" * MIB, headers=own.bearer(sid="fits"))
        assert answer.json()["bytes"] == MIB

    def test_of_unknown_length(self, own: Edge, http: httpx2.Client) -> None:
        """What the gateway notes for itself, to price it, stays there."""
        answer = http.post("/v1/guests", content=iter([b"x" * 10]), headers=own.bearer(sid="chunks"))
        assert answer.json()["bytes"] == 10
        assert "x-chunked" not in dict(answer.json()["headers"])

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"GARBAGE\r\n\r\n",
            b"GET /v1/guests HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET /v1/guests HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        ],
    )
    def test_what_is_not_our_http(self, own: Edge, request_bytes: bytes) -> None:
        answer = own.raw(request_bytes)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"/problems/malformed" in answer
        assert b"strict-transport-security" in answer


class TestLogs:
    def test_no_query_no_token_no_address(self, own: Edge, http: httpx2.Client) -> None:
        headers = {"User-Agent": "marker-agent", **own.bearer(sid="logged")}
        http.get("/v1/guests?email=marker-query", headers=headers)
        log = own.stack.log("gateway-access")
        wait_until(lambda: "logged" in log.read_text(), within=15, what="the access log")
        assert "marker" not in log.read_text()
        (line,) = [line for line in log.read_text().splitlines() if "logged" in line]
        assert headers["Authorization"][7:40] not in line
        assert "127.0.0.1" not in line
