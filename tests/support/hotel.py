"""A hotel and its people as tests use them: invited, activated, enrolled and signed in through the gateway."""

import base64
import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import pyotp

from support.machine import Machine

PASSWORD = "a lantern beside the estuary 47"
STEP = 30  # seconds of one TOTP code (RFC 6238)
FRESH = 150  # seconds that a token must still live; the whole run of the tests is longer than one token


def gateway(stack: Machine, **options: Any) -> httpx2.Client:
    """A client of the public API, as a customer's would be: TLS 1.3, the platform's CA, no certificate of its own."""
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return httpx2.Client(
        base_url=stack.url_of("gateway"), verify=context, timeout=options.pop("timeout", 30), trust_env=False, **options
    )


@dataclass
class Authenticator:
    """A person's TOTP app that never shows one code twice, since the platform accepts each only once."""

    secret: str
    last_step: int = 0

    def code(self) -> str:
        step = max(int(time.time()) // STEP - 1, self.last_step + 1)
        while step > int(time.time()) // STEP + 1:
            time.sleep(0.5)
        self.last_step = step
        return pyotp.TOTP(self.secret).at(step * STEP)


@dataclass
class Person:
    """A user of a client with a signed-in session; `get`, `post`… answer httpx2 responses."""

    http: httpx2.Client
    email: str
    role: str
    password: str = PASSWORD
    totp: Authenticator | None = None
    session: dict[str, Any] = field(default_factory=dict)
    recovery_codes: list[str] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The access token; a new one once it is about to end, as any program of a customer's would ask for it."""
        left = _ends_at(str(self.session["access_token"])) - time.time()
        if left < FRESH:
            told = {"refresh_token": self.session["refresh_token"]}
            answer = self.http.post("/v1/sessions/refresh", json=told)
            if answer.status_code == 200:  # else its session has ended, or a test has stopped `auth`: the old one tells
                self.session |= answer.json()
        return str(self.session["access_token"])

    @property
    def user_id(self) -> str:
        return str(self.session["user"]["id"])

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("DELETE", path, **options)

    def enter_password(self, **more: Any) -> httpx2.Response:
        return self.http.post("/v1/sessions", json={"email": self.email, "password": self.password, **more})

    def sign_in(self, **more: Any) -> httpx2.Response:
        """Password, then code when one is owed; keeps the session."""
        answer = self.enter_password(**more)
        if answer.status_code == 202 and self.totp is not None:
            challenge = {"challenge": answer.json()["challenge"], "code": self.totp.code()}
            answer = self.http.post("/v1/sessions/challenge", json=challenge)
        if answer.status_code == 201:
            self.session = answer.json()
        return answer

    def enrol(self) -> None:
        answer = expect(self.post("/v1/users/me/totp"), 200, 201)
        self.totp = Authenticator(answer.json()["secret"])
        answer = expect(self.post("/v1/users/me/totp/confirm", json={"code": self.totp.code()}), 200, 201)
        self.recovery_codes = answer.json()["recovery_codes"]


def _ends_at(token: str) -> float:
    claims = token.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])


def expect(answer: httpx2.Response, *statuses: int) -> httpx2.Response:
    assert answer.status_code in statuses, f"{answer.request.url.path}: {answer.status_code} {answer.text[:500]}"
    return answer


@dataclass
class Hotel:
    """A client of the platform."""

    stack: Machine
    name: str
    client_id: UUID
    http: httpx2.Client
    admin: Person
    agent: Person
    viewer: Person

    def guest(self, **fields: Any) -> dict[str, Any]:
        """A new guest, created by the agent."""
        body = {"name": f"Guest {secrets.token_hex(3)}", **fields}
        answer: dict[str, Any] = expect(self.agent.post("/v1/guests", json=body), 201).json()
        return answer

    def call(self, **fields: Any) -> dict[str, Any]:
        body = {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z", **fields}
        answer: dict[str, Any] = expect(self.agent.post("/v1/calls", json=body), 201).json()
        return answer

    def event(self, event_id: str, *, within: float = 10) -> dict[str, Any]:
        """The entry of the access log that an answer's `Access-Event` header named."""
        end = time.monotonic() + within
        while True:
            answer = self.admin.get(f"/v1/access-events/{event_id}")
            if answer.status_code == 200:
                entry: dict[str, Any] = answer.json()
                return entry
            if time.monotonic() > end:
                raise AssertionError(f"no entry {event_id} within {within:g} s: {answer.status_code} {answer.text}")
            time.sleep(0.1)

    def log(self, **filters: Any) -> list[dict[str, Any]]:
        """Every entry that matches, newest first."""
        entries: list[dict[str, Any]] = []
        cursor = None
        while True:
            asked = {"limit": 200, **filters, **({"cursor": cursor} if cursor else {})}
            page = expect(self.admin.get("/v1/access-events", params=asked), 200).json()
            entries += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return entries


def activate(http: httpx2.Client, email: str, role: str, token: str, password: str = PASSWORD) -> Person:
    """A person who has set a password, signed in and enrolled a second factor, then signed in with it."""
    person = Person(http, email, role, password)
    expect(patiently(lambda: http.post("/v1/users/activate", json={"token": token, "password": password})), 204)
    expect(patiently(person.sign_in), 201)
    person.enrol()
    expect(patiently(person.sign_in), 201)
    return person


_PATIENCE = 30  # seconds at a time: a lock after wrong passwords is longer


def patiently(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """What is answered to one who comes back when told to (429 or 503, `Retry-After`), five times at most."""
    for _ in range(6):
        answer = ask()
        if answer.status_code not in (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE):
            break
        wait = int(answer.headers.get("retry-after", "1"))
        if wait > _PATIENCE:
            break
        time.sleep(wait)
    return answer


def invite(admin: Person, role: str, *, email: str | None = None) -> tuple[str, str]:
    """E-mail and activation token of a new user."""
    email = email or f"{role}-{secrets.token_hex(4)}@example.com"
    answer = expect(admin.post("/v1/users", json={"email": email, "name": f"The {role}", "role": role}), 201)
    return email, answer.json()["activation_token"]


def operator(stack: Machine, name: str = "tester") -> str:
    """An operator's name whose personal certificate is on this machine."""
    if not (stack.run / "operators" / name).exists():
        stack.konci("operator", "add", name)
    return name


class Patient(httpx2.HTTPTransport):
    """Does what a 503 asks for: comes again after `Retry-After`. For what must be there before a test begins."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        for _ in range(10):
            answer = super().handle_request(request)
            if answer.status_code != 503:
                return answer
            answer.close()
            time.sleep(float(answer.headers.get("retry-after", 1)))
        return super().handle_request(request)


@contextmanager
def found(stack: Machine, name: str, *, plan: str = "business", **options: Any) -> Iterator[Hotel]:
    """A new client with an admin, an agent and a viewer, all with a second factor; `options` are the client's."""
    email = f"admin-{secrets.token_hex(4)}@example.com"
    told = ["--name", name, "--plan", plan, "--admin-email", email, "--operator", operator(stack)]
    created = json.loads(stack.konci("client", "create", *told, "--json").stdout)
    with gateway(stack, **options) as http:
        admin = activate(http, email, "admin", created["activation_token"])
        agent, viewer = (activate(http, *_invited(admin, role)) for role in ("agent", "viewer"))
        yield Hotel(stack, name, UUID(created["client_id"]), http, admin, agent, viewer)


def _invited(admin: Person, role: str) -> tuple[str, str, str]:
    email, token = invite(admin, role)
    return email, role, token
