"""04.1, 04.2, 03.3: a token counts for what `auth` said in it, as long as it is true, and for nothing else.

The lies here carry `auth`'s own signature: what is believed without being checked is found. Both the gateway and the
service behind it are asked, since each checks by itself (forgeries: tests/isolation/test_forged_token.py).
"""

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from pentest.evidence import Probes
from stack import bao
from support.book import Ask, Book
from support.ceremonies import CEREMONIES
from support.hotel import Hotel, Person, expect
from support.machine import Machine, wait_until
from support.newcomer import newcomer
from support.workload import workload

Sign = Callable[[dict[str, Any], dict[str, Any]], Awaitable[str]]


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture(scope="module")
async def sign(stack: Machine) -> AsyncIterator[Sign]:
    """Signs whatever it is given with the true key, as an intruder in `auth` could."""
    async with bao.session(stack.stack, "auth") as session:

        async def signed(header: dict[str, Any], claims: dict[str, Any]) -> str:
            body = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
            raw = base64.b64encode(body.encode()).decode()
            answer = await session.write("transit/auth/sign/token-signing", input=raw)
            return f"{body}.{_b64(base64.b64decode(answer['signature'].rpartition(':')[2]))}"

        yield signed


def _lies() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """What is changed of a true token's header and claims; None takes a field out."""
    now = int(time.time())
    headers: dict[str, dict[str, Any]] = {
        "of another type": {"typ": "JWT"},
        "of no type": {"typ": None},
        "a refresh token's type": {"typ": "rt+jwt"},
        "with a critical field that is unknown": {"crit": ["exp"], "exp": now + 60},
        "with a payload that is not encoded": {"b64": False, "crit": ["b64"]},
        "with a key in it": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
        "with a certificate in it": {"x5c": ["AAAA"]},
        "with a certificate's address in it": {"x5u": "https://127.0.0.1:1/"},
        "with a key's address in it": {"jku": "https://127.0.0.1:1/"},
        "by the algorithm's other name": {"alg": "Ed25519"},
        "by no algorithm": {"alg": "none"},
        "under another key's name": {"kid": "2-0000000000000000"},
        "under a path for a name": {"kid": "../../token-signing"},
        "under no name": {"kid": None},
    }
    claims: dict[str, dict[str, Any]] = {
        "for another audience": {"aud": "elsewhere"},
        "for several audiences": {"aud": ["konci", "elsewhere"]},
        "for no audience": {"aud": None},
        "of another issuer": {"iss": "https://elsewhere.example"},
        "of no issuer": {"iss": None},
        "that has run out": {"iat": now - 700, "nbf": now - 700, "exp": now - 100},
        "that begins later": {"nbf": now + 300},
        "from the future": {"iat": now + 300, "nbf": now + 300, "exp": now + 900},
        "that lives too long": {"exp": now + 86_400},
        "without an end": {"exp": None},
        "without a beginning": {"nbf": None},
        "with an end that is no number": {"exp": "never"},
        "without a client": {"client_id": None},
        "with a client that is no id": {"client_id": "*"},
        "with two clients": {"client_id": [str(uuid4()), str(uuid4())]},
        "with a role that does not exist": {"role": "owner"},
        "of a kind that does not exist": {"kind": "service"},
        "with a field that is unknown": {"is_admin": True},
        "with a right that does not exist": {"rights": ["everything"]},
        "without a subject": {"sub": None},
        "without a name of its own": {"jti": None},
        "with a session that is no id": {"sid": "not-a-session"},
    }
    return {
        **{case: (change, {}) for case, change in headers.items()},
        **{case: ({}, change) for case, change in claims.items()},
    }


async def _answers(stack: Machine, hotel: Hotel, token: str) -> dict[str, httpx2.Response]:
    headers = {"Authorization": f"Bearer {token}"}
    answers = {"through the gateway": hotel.http.get("/v1/guests", headers=headers)}
    paths = {
        "auth": "/v1/users/me",
        "tenant_data": "/v1/guests",
        "audit": "/v1/access-events",
        "recording_storage": "/v1/recordings",
    }
    for service, path in paths.items():
        async with workload(stack, "gateway", service) as http:
            answers[f"at {service}"] = await http.get(
                path, headers={**headers, "x-envoy-external-address": "127.0.0.1"}
            )
    return answers


async def test_lies_with_a_true_signature(stack: Machine, otter: Hotel, sign: Sign, probes: Probes) -> None:
    header, claims = _parts(otter.admin.token)
    for case, (other_header, other_claims) in _lies().items():
        bent = [
            {name: value for name, value in {**part, **change}.items() if value is not None}
            for part, change in ((header, other_header), (claims, other_claims))
        ]
        token = await sign(*bent)
        for where, answer in (await _answers(stack, otter, token)).items():
            probes.denied(f"a token {case}", answer.status_code == 401, f"{where}: {answer.status_code} {answer.text}")
    for where, answer in (await _answers(stack, otter, await sign(header, {**claims, "jti": str(uuid4())}))).items():
        probes.allowed("the same without a lie", answer.status_code == 200, answer.text, on=where)


async def test_a_session_that_never_began(stack: Machine, otter: Hotel, sign: Sign) -> None:
    """It opens: a service knows which sessions have ended, not which have begun, and only `auth` itself can sign one.

    Whoever asks `auth`, as services do while its topic is silent, is told that there is none.
    """
    header, claims = _parts(otter.admin.token)
    unknown = {**claims, "sid": str(uuid4()), "jti": str(uuid4())}
    answers = await _answers(stack, otter, await sign(header, unknown))
    assert {where: answer.status_code for where, answer in answers.items()} == dict.fromkeys(answers, 200)
    async with workload(stack, "audit", "auth") as http:
        for told, is_active in ((claims, True), (unknown, False)):
            question = {
                "client_id": told["client_id"],
                "session_id": told["sid"],
                "user_id": told["sub"],
                "kind": "user",
            }
            answer = await http.post("/internal/tokens/check", json={**question, "issued_at": told["iat"]})
            assert answer.json() == {"active": is_active}


async def test_another_clients_id_with_a_true_signature(
    stack: Machine, otter: Hotel, heron: Hotel, sign: Sign, probes: Probes
) -> None:
    """Even a token that mixes two clients opens neither's session: no such session is that client's."""
    header, claims = _parts(otter.admin.token)
    theirs = heron.guest()["id"]
    mixed = await sign(header, {**claims, "client_id": str(heron.client_id)})
    async with workload(stack, "gateway", "auth") as http:
        answer = await http.get(
            "/v1/users/me", headers={"Authorization": f"Bearer {mixed}", "x-envoy-external-address": "127.0.0.1"}
        )
        probes.denied(
            "a user of one client at another", answer.status_code in (401, 404), answer.text, route="GET /v1/users/me"
        )
    mine = otter.admin.get("/v1/users/me")
    probes.allowed("at its own", mine.status_code == 200, mine.text)
    answer = otter.agent.get(f"/v1/guests/{theirs}")
    probes.denied(
        "its true token on the other's guest", answer.status_code == 404, answer.text, route="GET /v1/guests/{guest_id}"
    )


def test_other_secrets_are_no_access_token(otter: Hotel, probes: Probes) -> None:
    challenge = expect(otter.viewer.enter_password(), 202).json()["challenge"]
    secrets = {
        "a refresh token": otter.agent.session["refresh_token"],
        "a device's token": otter.agent.session["device_token"],
        "a challenge": challenge,
        "a session's id": otter.agent.session["session_id"],
        "a user's id": otter.agent.user_id,
        "a client's id": str(otter.client_id),
        "a recovery code": otter.agent.recovery_codes[0],
    }
    for case, secret in secrets.items():
        for scheme in ("Bearer", "Basic", "Token", ""):
            answer = otter.http.get("/v1/guests", headers={"Authorization": f"{scheme} {secret}".strip()})
            probes.denied(f"{case} as an access token", answer.status_code == 401, answer.text)
        answer = otter.http.get("/v1/guests", headers={"Cookie": f"session={secret}; access_token={secret}"})
        probes.denied(f"{case} as a cookie", answer.status_code == 401, answer.text)
    cookie = otter.http.get("/v1/guests", headers={"Cookie": f"access_token={otter.agent.token}"})
    probes.denied("an access token as a cookie", cookie.status_code == 401, cookie.text)
    query = otter.http.get("/v1/guests", params={"access_token": otter.agent.token})
    probes.denied("an access token in the address", query.status_code == 401, query.text)
    probes.allowed("an access token", otter.agent.get("/v1/guests").status_code == 200)


def _ends(person: Person, path: str) -> bool:
    try:
        wait_until(lambda: person.get(path).status_code == 401, within=3, every=0.05, what="the end of its token")
    except AssertionError:
        return False
    return True


def test_a_token_after_its_end(otter: Hotel, probes: Probes) -> None:
    """Signed out, disabled, deleted, given another role, ended elsewhere: within a second it opens nothing."""
    endings: dict[str, Callable[[Person], httpx2.Response]] = {
        "after signing out": lambda one: one.delete("/v1/sessions/current"),
        "after being disabled": lambda one: otter.admin.patch(f"/v1/users/{one.user_id}", json={"status": "disabled"}),
        "after being deleted": lambda one: otter.admin.delete(f"/v1/users/{one.user_id}"),
        "after losing its role": lambda one: otter.admin.patch(f"/v1/users/{one.user_id}", json={"role": "viewer"}),
        "after its session was ended from elsewhere": lambda one: _elsewhere(otter, one).delete("/v1/sessions"),
    }
    for case, end in endings.items():
        person = newcomer(otter)
        if "elsewhere" not in case:
            person.enrol()
            probes.allowed("before", person.get("/v1/users/me").status_code == 200, on=case)
        else:
            probes.allowed("before", person.get("/v1/users/me").status_code == 200, on=case)
        refresh = person.session["refresh_token"]
        done = end(person)
        assert done.status_code < 300, f"{case}: {done.status_code} {done.text}"
        for path in ("/v1/users/me", "/v1/guests", "/v1/access-events"):
            probes.denied(f"a token {case}", _ends(person, path), "it still opens", route=f"GET {path}")
        again = otter.http.post("/v1/sessions/refresh", json={"refresh_token": refresh})
        probes.denied(
            f"a refresh token {case}", again.status_code == 401, again.text, route="POST /v1/sessions/refresh"
        )


def _elsewhere(hotel: Hotel, person: Person) -> Person:
    """The same person, signed in a second time: it ends all its other sessions."""
    other = Person(hotel.http, person.email, person.role, person.password)
    expect(other.sign_in(), 201)
    other.enrol()
    return other


def test_what_a_role_may_not(otter: Hotel, own: Book, probes: Probes) -> None:
    """Every route as a viewer and as an agent: only what the page of rights says (03.3)."""
    writes = 0
    for route in own.all_routes:
        if route.title in CEREMONIES:
            continue
        ask: Ask = own.ask(route)
        if route.method in ("POST", "PUT", "PATCH", "DELETE") and not route.path.endswith("/search"):
            writes += 1
            answer = ask.send(otter.viewer)
            probes.denied(
                "a viewer's change", answer.status_code == 403, f"{answer.status_code} {answer.text}", route=route.title
            )
        if route.path.startswith(("/v1/access-events", "/v1/clients")) or (
            route.path.startswith("/v1/users") and "/me" not in route.path
        ):
            for person in (otter.agent, otter.viewer):
                answer = ask.send(person)
                probes.denied(
                    "an administrator's work by another",
                    answer.status_code == 403,
                    f"{person.role} {answer.text}",
                    route=route.title,
                )
        answer = ask.by_owner()
        probes.allowed("its administrator", answer.status_code < 300, answer.text, on=route.title)
    assert writes >= 10
