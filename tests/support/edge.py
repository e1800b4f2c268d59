"""A gateway of the test's own: the real Envoy with the real configuration, in front of services that only echo.

It shows what the gateway lets through, which no real service would tell. Its root of trust lives as long as the test.
"""

import asyncio
import base64
import json
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stack import envoy
from stack.envoy import Limits
from stack.settings import SERVICES, Stack
from support.machine import wait_until

SECURITY = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox",
}

LARGE = 1_048_576  # bytes of an answer that a slow reader leaves where it is
UNREAD = 10  # seconds that a body of `/unread…` lies there
FLOWS = 28  # seconds that `/slowly/audio` takes: longer than an answer that does not flow may


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


class Root:
    """A root of trust made for one test."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("root", self._key, ca=True)
        stack.run.mkdir(parents=True, exist_ok=True)
        stack.ca.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> None:
        """Write the identity of a workload as the keeper would."""
        key = ec.generate_private_key(ec.SECP256R1())
        folder = self._stack.identity(name)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / "aside"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        aside.write_bytes(pem + self._sign(name, key).public_bytes(Encoding.PEM))
        aside.replace(folder / "identity.pem")

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool = False) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives = [
            x509.DNSName("localhost"),
            x509.IPAddress(ip_address("127.0.0.1")),
            x509.UniformResourceIdentifier(f"spiffe://konci/{name}"),
        ]
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if ca else self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Echo:
    """A service that answers what it was asked, over mutual TLS, until it is stopped."""

    def __init__(self, stack: Stack, name: str, keys: dict[str, Any]) -> None:
        self.name = name
        self.seen: list[str] = []
        self._keys = keys
        routes = [Route("/{path:path}", self._answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])]
        identity = stack.identity(name) / "identity.pem"

        def context(*_: object) -> ssl.SSLContext:
            chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            chosen.minimum_version = ssl.TLSVersion.TLSv1_3
            chosen.load_cert_chain(identity)
            chosen.load_verify_locations(stack.ca)
            chosen.verify_mode = ssl.CERT_REQUIRED
            return chosen

        configuration = uvicorn.Config(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=stack.port_of(name),
            ssl_context_factory=context,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=75,  # as the services: by default a request may meet a connection that is closing
        )
        self._server = uvicorn.Server(configuration)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started, within=10, what=f"{self.name}'s echo")

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)

    async def _answer(self, request: Request) -> Response:
        self.seen.append(request.url.path)
        if request.url.path == "/.well-known/jwks.json":
            return JSONResponse(self._keys)
        if request.url.path.endswith("/large"):
            return Response(b"x" * LARGE)
        if "/unread" in request.url.path:
            await asyncio.sleep(UNREAD)
        if request.url.path.endswith("/never"):
            await asyncio.sleep(60)
        if request.url.path.endswith("/slowly/audio"):
            return StreamingResponse(_slowly(), media_type="audio/wav")
        length = 0
        with suppress(ClientDisconnect):
            async for piece in request.stream():
                length += len(piece)
        told = {"service": self.name, "path": request.url.path, "bytes": length, "headers": request.headers.items()}
        return JSONResponse(told, headers={"server": "echo/1.0", "x-powered-by": "tests"})


async def _slowly() -> AsyncIterator[bytes]:
    for _ in range(FLOWS):
        yield b"x" * 1000
        await asyncio.sleep(1)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Edge:
    """The gateway under test."""

    stack: Stack
    root: Root
    services: dict[str, Echo]
    signer: Ed25519PrivateKey = field(repr=False)
    envoy: "subprocess.Popen[bytes]" = field(repr=False)

    def token(self, *, header: dict[str, Any] | None = None, signer: Any = None, **claims: Any) -> str:
        """A token as `auth` would make it, with changes; a claim of None is left out."""
        now = int(time.time())
        payload = {
            "iss": self.stack.url_of("gateway"), "aud": "konci", "sub": "somebody", "client_id": "a-client",
            "sid": "a-session", "kind": "user", "iat": now, "nbf": now, "exp": now + 600, **claims,
        }  # fmt: skip
        head = {"alg": "EdDSA", "typ": "at+jwt", "kid": "known", **(header or {})}
        said = [{name: value for name, value in part.items() if value is not None} for part in (head, payload)]
        message = ".".join(_base64(json.dumps(part).encode()) for part in said)
        return f"{message}.{_base64((signer or self.signer).sign(message.encode()))}"

    def bearer(self, **changes: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**changes)}"}

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.stack.ca))

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.stack.url_of("gateway"), verify=self.context(), timeout=20, trust_env=False)

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes, until the gateway closes or falls silent for a second."""
        answer = b""
        with (
            socket.create_connection(("127.0.0.1", self.stack.port), timeout=10) as plain,
            self.context().wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            encrypted.sendall(request)
            encrypted.settimeout(1)
            try:
                while received := encrypted.recv(65_536):
                    answer += received
            except TimeoutError:
                pass
        return answer

    def noted(self, path: str) -> list[dict[str, Any]]:
        """What the gateway's access log says of requests whose path begins so; it is written a moment after them."""
        entries = [json.loads(line) for line in self.stack.log("gateway-access").read_text().splitlines()]
        return [entry for entry in entries if (entry.get("path") or "").startswith(path)]

    def statistic(self, name: str) -> int:
        """One of the gateway's own counters or gauges, by its whole name."""
        # By the standard library: a client of its own for each question would take a core from what is measured.
        admin = HTTPConnection("127.0.0.1", self.stack.port_of("envoy_admin"), timeout=10)
        admin.request("GET", "/stats?" + urlencode({"filter": f"^{re.escape(name)}$"}))
        with closing(admin):
            return int(admin.getresponse().read().rsplit(b":", 1)[1])


@contextmanager
def edge(run: Path, limits: Limits) -> Iterator[Edge]:
    """A gateway with its echoing services, ready; everything it started has ended afterwards."""
    stack = Stack(run=run, port=_free_base())
    root = Root(stack)
    for name in ("gateway", *SERVICES):
        root.issue(name)
    signer = Ed25519PrivateKey.generate()
    public = signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "known", "x": _base64(public)}]}
    with ExitStack() as cleanup:
        services = {name: Echo(stack, name, keys) for name in SERVICES}
        for service in services.values():
            service.start()
            cleanup.callback(service.stop)
        envoy.prepare(stack, limits)
        output = cleanup.enter_context((run / "envoy.log").open("wb"))
        process = subprocess.Popen(envoy.program(stack).command, stdout=output, stderr=output)
        cleanup.callback(process.wait, 10)
        cleanup.callback(process.terminate)
        under_test = Edge(stack, root, services, signer, process)
        with under_test.client() as http:
            wait_until(lambda: _serves(http, under_test), within=20, what="the gateway")
        yield under_test


def _serves(http: httpx2.Client, under_test: Edge) -> bool:
    try:
        return http.get("/v1/guests", headers=under_test.bearer(sid="warm-up")).status_code == 200
    except httpx2.TransportError:
        return False


def _free_base() -> int:
    for base in random.sample(range(30_000, 32_700, 20), 50):
        try:
            with ExitStack() as held:
                for port in Stack(run=Path(), port=base).ports().values():
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")
