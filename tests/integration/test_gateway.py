"""Nothing comes in but TLS 1.3 with a valid token on a known route; every refusal is a problem (02.1, 02.2)."""

import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stack.envoy import Limits
from support.edge import Edge, edge
from support.hotel import gateway
from support.machine import Machine, wait_until

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
    "forwarded",
    "via",
    "true-client-ip",
    "b3",
    "traceparent",
    "tracestate",
    "baggage",
)
SECURITY = {
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway in front of echoes, with limits low enough to meet."""
    limits = Limits(session=5, client=20, sign_in=3, trace_percent=1)
    with edge(tmp_path_factory.mktemp("edge"), limits) as ready:
        yield ready


@pytest.fixture
def http(own: Edge) -> Iterator[httpx2.Client]:
    with own.client() as client:
        yield client


def assert_problem(answer: httpx2.Response, status: int, kind: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/problems/{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert SECURITY.items() <= dict(answer.headers).items()
    assert "server" not in answer.headers
    if "x-request-id" in answer.headers:
        assert body["request_id"] == answer.headers["x-request-id"]


class TestTls:
    def test_1_2_is_refused(self, stack: Machine) -> None:
        context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("127.0.0.1", stack.port_of("gateway")), timeout=5) as plain,
            pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
        ):
            context.wrap_socket(plain, server_hostname="localhost")

    def test_a_renewed_certificate_is_served_without_a_gap(self, own: Edge) -> None:
        before = served(own)
        own.root.issue("gateway")
        wait_until(lambda: served(own) != before, within=5, what="the new certificate")
        with own.client() as http:
            assert http.get("/v1/guests", headers=own.bearer(sid="renewed")).status_code == 200


def served(own: Edge) -> bytes | None:
    with (
        socket.create_connection(("127.0.0.1", own.stack.port), timeout=5) as plain,
        own.context().wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True)


class TestToken:
    def test_none(self, http: httpx2.Client) -> None:
        answer = http.get("/v1/guests?name=marker")
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "marker" not in answer.text

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "somebody else"},
            {"iss": "https://elsewhere.example"},
            {"exp": 1},
            {"exp": None},
            {"nbf": 4_000_000_000},
            {"header": {"kid": "unknown"}},
            {"header": {"alg": "none"}},
            {"header": {"alg": "HS256"}},
            {"signer": Ed25519PrivateKey.generate()},
        ],
        ids=str,
    )
    def test_a_wrong_one(self, own: Edge, http: httpx2.Client, changes: dict[str, object]) -> None:
        assert_problem(http.get("/v1/guests", headers=own.bearer(**changes)), 401, "unauthenticated")

    def test_three_seconds_past_its_end(self, own: Edge, http: httpx2.Client) -> None:
        headers = own.bearer(exp=int(time.time()) + 1, sid="short")
        assert http.get("/v1/guests", headers=headers).status_code == 200
        wait_until(
            lambda: http.get("/v1/guests", headers=headers).status_code == 401, within=5, every=1, what="the end"
        )

    def test_not_from_the_address(self, own: Edge, http: httpx2.Client) -> None:
        assert_problem(http.get(f"/v1/guests?access_token={own.token()}"), 401, "unauthenticated")

    def test_on_no_route_of_a_stranger(self, http: httpx2.Client) -> None:
        for path in ("/v1/nothing", "/v1/sessions", "/v1/users/activate", "/v1/sessionsx", "/v1"):
            assert_problem(http.get(path), 401, "unauthenticated")

    def test_connect_is_no_way_around(self, own: Edge) -> None:
        assert own.raw(b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 401")


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


def flood(http: httpx2.Client, method: str, path: str, headers: list[dict[str, str]]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda one: http.request(method, path, headers=one), headers))


class TestLimits:
    def test_of_a_session_and_not_of_its_neighbour(self, own: Edge, http: httpx2.Client) -> None:
        busy = own.bearer(sid="busy", client_id="hotel-1")
        answers = flood(http, "GET", "/v1/guests", [busy] * 40)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) >= 15
        assert_problem(refused[0], 429, "too-many")
        assert int(refused[0].headers["retry-after"]) >= 1
        assert http.get("/v1/guests", headers=own.bearer(sid="calm", client_id="hotel-2")).status_code == 200

    def test_of_a_client_over_many_sessions(self, own: Edge, http: httpx2.Client) -> None:
        many = [own.bearer(sid=f"s{number}", client_id="hotel-3") for number in range(120)]
        answers = flood(http, "GET", "/v1/guests", many)
        assert sum(answer.status_code == 429 for answer in answers) >= 30

    def test_of_sign_in_from_one_address_and_nothing_else(self, own: Edge, http: httpx2.Client) -> None:
        answers = flood(http, "POST", "/v1/sessions", [{}] * 80)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) >= 20
        assert_problem(refused[0], 429, "too-many")
        assert http.get("/v1/guests", headers=own.bearer(sid="other")).status_code == 200


class TestAway:
    def test_a_service_that_is_not_there(self, own: Edge, http: httpx2.Client) -> None:
        own.services["audit"].stop()
        answer = http.get("/v1/access-events", headers=own.bearer(sid="away"))
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1

    def test_an_impostor_with_another_workload_s_certificate(self, own: Edge, http: httpx2.Client) -> None:
        """What listens on a service's port must be that service."""
        own.services["audit"].stop()
        (own.stack.identity("audit") / "identity.pem").write_bytes(
            (own.stack.identity("auth") / "identity.pem").read_bytes()
        )
        impostor = type(own.services["audit"])(own.stack, "audit", {})
        impostor.start()
        try:
            answer = http.get("/v1/access-events", headers=own.bearer(sid="impostor"))
            assert_problem(answer, 503, "unavailable")
            assert impostor.seen == []
        finally:
            impostor.stop()


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


class TestTheRealOne:
    def test_refuses_and_answers_like_its_twin(self, stack: Machine) -> None:
        with gateway(stack) as http:
            assert_problem(http.get("/v1/guests"), 401, "unauthenticated")
            assert_problem(http.get("/internal/clients"), 404, "not-found")
            assert_problem(http.get("/nothing"), 404, "not-found")
            assert http.get("/.well-known/jwks.json").json()["keys"]
