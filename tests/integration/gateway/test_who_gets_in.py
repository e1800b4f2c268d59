"""Nothing comes in but TLS 1.3 with a valid token; every refusal is a problem (02.2, 04.1)."""

import socket
import ssl
import time

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.edge import Edge, assert_problem
from support.hotel import gateway
from support.machine import Machine, wait_until


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


class TestTheRealOne:
    def test_refuses_and_answers_like_its_twin(self, stack: Machine) -> None:
        with gateway(stack) as http:
            assert_problem(http.get("/v1/guests"), 401, "unauthenticated")
            assert_problem(http.get("/internal/clients"), 404, "not-found")
            assert_problem(http.get("/nothing"), 404, "not-found")
            assert http.get("/.well-known/jwks.json").json()["keys"]
