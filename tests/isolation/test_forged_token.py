"""04.1, 03.4: a token that auth did not sign, for us, for now, opens nothing: at the gateway, and behind it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.hotel import Hotel, gateway
from support.machine import Machine
from support.workload import workload

PATHS = {
    "tenant_data": "/v1/guests",
    "auth": "/v1/users/me",
    "audit": "/v1/access-events",
    "recording_storage": "/v1/recordings",
}
_OURS = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key that auth does not have").digest())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_OWN_KEY = {"kty": "OKP", "crv": "Ed25519", "x": _b64(_OURS.public_key().public_bytes_raw())}


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    return (*(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)), signature)


def _signed(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] = _OURS.sign) -> str:
    body = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    return f"{body}.{_b64(sign(body.encode()))}"


def _with_header(**changes: Any) -> Callable[[str, bytes], str]:
    def forge(token: str, _: bytes) -> str:
        header, claims, _signature = _parts(token)
        return _signed({**header, **changes}, claims)

    return forge


def _with_claims(**changes: Any) -> Callable[[str, bytes], str]:
    """Other claims under the true signature's header: whoever skips the signature takes them."""

    def forge(token: str, _: bytes) -> str:
        header, claims, signature = _parts(token)
        return f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps({**claims, **changes}).encode())}.{signature}"

    return forge


def _none(spelling: str) -> Callable[[str, bytes], str]:
    def forge(token: str, _: bytes) -> str:
        header, claims, _signature = _parts(token)
        return f"{_b64(json.dumps({**header, 'alg': spelling}).encode())}.{_b64(json.dumps(claims).encode())}."

    return forge


def _public_key_as_secret(token: str, public: bytes) -> str:
    header, claims, _ = _parts(token)
    return _signed({**header, "alg": "HS256"}, claims, lambda body: hmac.digest(public, body, "sha256"))


def _own_key_in_header(token: str, _: bytes) -> str:
    header, claims, _signature = _parts(token)
    return _signed({**header, "jwk": _OWN_KEY}, claims)


def _changed_byte(place: int) -> Callable[[str, bytes], str]:
    def forge(token: str, _: bytes) -> str:
        at = len(token) * place // 10
        at += token[at] == "."
        return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]

    return forge


NOW = int(time.time())
FORGERIES: dict[str, Callable[[str, bytes], str]] = {
    "alg none": _none("none"),
    "alg None": _none("None"),
    "alg NONE": _none("NONE"),
    "another key": _with_header(),
    "the public key as a secret": _public_key_as_secret,
    "its own key in the header": _own_key_in_header,
    "an unknown critical header": _with_header(crit=["x"], x=1),
    "an unknown kid": _with_header(kid="1-0000000000000000"),
    "a path as kid": _with_header(kid="../../../../dev/null"),
    "no kid": lambda token, _: _signed({"alg": "EdDSA", "typ": "at+jwt"}, _parts(token)[1]),
    "another typ": _with_header(typ="JWT"),
    "another algorithm": _with_header(alg="ES256"),
    "another issuer": _with_claims(iss="https://elsewhere.example"),
    "another audience": _with_claims(aud="elsewhere"),
    "expired": _with_claims(exp=NOW - 5, iat=NOW - 600, nbf=NOW - 600),
    "not yet valid": _with_claims(nbf=NOW + 300),
    "a longer life": _with_claims(exp=NOW + 86_400),
    "an admin's role": _with_claims(role="admin"),
    **{f"a changed byte at {place}0 %": _changed_byte(place) for place in range(1, 10)},
    "no signature": lambda token, _: token.rsplit(".", 1)[0] + ".",
    "two parts": lambda token, _: token.rsplit(".", 1)[0],
    "nothing": lambda *_: ".",
    "only dots": lambda *_: "..",
    "a word": lambda *_: "token",
}


class _Keys(BaseHTTPRequestHandler):
    """Gives out the forger's own key, whatever it is asked for."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": [{**_OWN_KEY, "kid": self.server.kid}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class _Forger(ThreadingHTTPServer):
    """His listener; it speaks plain HTTP, and whoever comes for TLS has come all the same."""

    def __init__(self, kid: str) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.kid = kid
        self.connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


@contextmanager
def _listening(kid: str) -> Iterator[_Forger]:
    with _Forger(kid) as forger:
        thread = Thread(target=forger.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield forger
        finally:
            forger.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def public(stack: Machine) -> bytes:
    with gateway(stack) as http:
        key = http.get("/.well-known/jwks.json").json()["keys"][0]
    return base64.urlsafe_b64decode(key["x"] + "==")


def _is_refused(answer: httpx2.Response) -> bool:
    return answer.status_code == 401 and "items" not in answer.text


@pytest.mark.parametrize("forgery", FORGERIES)
def test_through_the_gateway(stack: Machine, otter: Hotel, public: bytes, forgery: str) -> None:
    token = FORGERIES[forgery](otter.agent.token, public)
    for path in PATHS.values():
        answer = otter.http.get(path, headers={"Authorization": f"Bearer {token}"})
        assert _is_refused(answer), f"{path}: {answer.status_code} {answer.text[:200]}"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_behind_the_gateway(stack: Machine, otter: Hotel, public: bytes, forgery: str) -> None:
    token = FORGERIES[forgery](otter.agent.token, public)
    for service, path in PATHS.items():
        async with workload(stack, "gateway", service) as http:
            answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert _is_refused(answer), f"{service}{path}: {answer.status_code} {answer.text[:200]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("field", ["jku", "x5u"])
async def test_a_keys_address_is_not_followed(stack: Machine, otter: Hotel, field: str, scheme: str) -> None:
    """Who followed it would find the key there that the token is signed with: not even a connection is made."""
    true = otter.agent.token
    with _listening(_parts(true)[0]["kid"]) as forger:
        at = f"127.0.0.1:{forger.server_port}/jwks.json"
        headers = {"Authorization": f"Bearer {_with_header(**{field: f'{scheme}://{at}'})(true, b'')}"}
        for service, path in PATHS.items():
            assert _is_refused(otter.http.get(path, headers=headers)), path
            async with workload(stack, "gateway", service) as http:
                assert _is_refused(await http.get(path, headers=headers)), service
        assert forger.connections == 0
        with httpx2.Client(trust_env=False) as http:
            found = http.get(f"http://{at}").json()["keys"]
        assert found[0]["x"] == _OWN_KEY["x"]  # the control: whoever had asked would have had the key
        assert forger.connections == 1


async def test_another_clients_id_in_a_good_token(stack: Machine, otter: Hotel, heron: Hotel, public: bytes) -> None:
    token = _with_claims(client_id=str(heron.client_id))(otter.agent.token, public)
    for service, path in PATHS.items():
        async with workload(stack, "gateway", service) as http:
            assert _is_refused(await http.get(path, headers={"Authorization": f"Bearer {token}"}))


async def test_other_credentials_are_no_access_token(stack: Machine, otter: Hotel) -> None:
    for other in (otter.agent.session["refresh_token"], otter.agent.session["device_token"]):
        async with workload(stack, "gateway", "tenant_data") as http:
            assert _is_refused(await http.get("/v1/guests", headers={"Authorization": f"Bearer {other}"}))


async def test_the_true_token_opens(stack: Machine, otter: Hotel) -> None:
    """Each of the paths that the forgeries are tried at."""
    headers = {"Authorization": f"Bearer {otter.admin.token}"}
    for service, path in PATHS.items():
        assert otter.http.get(path, headers=headers).status_code == 200
        async with workload(stack, "gateway", service) as http:
            assert (await http.get(path, headers=headers)).status_code == 200
