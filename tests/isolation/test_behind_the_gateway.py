"""02.2, 03.4, 04.1: whoever reaches a service past the gateway still needs a token, and is believed nothing else.

With the platform's own certificates: without one nobody is let in at all (tests/isolation/test_tls.py). Through the
gateway, which strips such headers, this is `tests/isolation/test_gateway_smuggling.py`.
"""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from events.uuid7 import uuid7
from pentest.evidence import Probes
from support.hotel import Hotel, operator
from support.machine import Machine
from support.workload import workload

NAMES = (
    "x-client-id", "x_client_id", "client-id", "x-tenant", "x-tenant-id", "x-user-id", "x-jwt-payload",
    "x-konci-client", "x-forwarded-client-cert", "x-original-url",
)  # fmt: skip
# The gateway too: one that was misled would bring such a header with its own certificate.
WORKLOADS = ("auth", "audit", "recording_storage", "gateway", "keeper", "prometheus")
# Whom tenant_data believes who is behind it: the gateway, and the service that asks it for its own caller.
BELIEVED = ("gateway", "recording_storage")
ELSEWHERE = "203.0.113.66"
REFUSED = (401, 403, 404)  # a 422 would only say that the probe's body was none


@pytest.mark.parametrize("name", WORKLOADS)
async def test_a_certificate_is_no_token(stack: Machine, otter: Hotel, probes: Probes, name: str) -> None:
    async with workload(stack, name, "tenant_data") as http:
        bare = await http.get("/v1/guests")
        probes.denied("a certificate in place of a token", bare.status_code == 401, bare.text, route="GET /v1/guests")
        mine = await http.get("/v1/guests", headers={"Authorization": f"Bearer {otter.agent.token}"})
        probes.allowed("with a token", mine.status_code == 200, mine.text, on=f"as {name}")


@pytest.mark.parametrize("name", WORKLOADS)
async def test_a_header_names_no_client(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes, name: str) -> None:
    theirs, ours = heron.guest()["id"], otter.guest()["id"]
    bearer = {"Authorization": f"Bearer {otter.agent.token}", "x-envoy-external-address": "127.0.0.1"}
    async with workload(stack, name, "tenant_data") as http:
        for header in NAMES:
            headers = {**bearer, header: str(heron.client_id)}
            answer = await http.get(f"/v1/guests/{theirs}", headers=headers)
            holds = answer.status_code == 404
            probes.denied("a client in a header", holds, f"{header}: {answer.text}", route="GET /v1/guests/{guest_id}")
            mine = await http.get(f"/v1/guests/{ours}", headers=headers)
            probes.allowed("its own guest beside it", mine.status_code == 200, mine.text, on=f"{header} as {name}")


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in BELIEVED])
async def test_an_address_of_its_own_choice(stack: Machine, otter: Hotel, probes: Probes, name: str) -> None:
    headers = {"Authorization": f"Bearer {otter.agent.token}", "x-envoy-external-address": ELSEWHERE}
    async with workload(stack, name, "tenant_data", headers=headers) as http:
        answer = await http.get("/v1/guests")
    probes.allowed("its own list", answer.status_code == 200, answer.text, on=f"as {name}")
    entry = otter.event(answer.headers["access-event"])
    probes.denied("an address of its own choice", entry["ip"] == "127.0.0.1", entry, route="GET /v1/guests")


async def test_a_relay_is_believed_only_where_it_is_named(stack: Machine, otter: Hotel, probes: Probes) -> None:
    headers = {"Authorization": f"Bearer {otter.admin.token}", "x-envoy-external-address": ELSEWHERE}
    async with workload(stack, "recording_storage", "audit", headers=headers) as http:
        entry = otter.event((await http.get("/v1/access-events")).headers["access-event"])
    probes.denied("a relay's word elsewhere", entry["ip"] == "127.0.0.1", entry, route="GET /v1/access-events")
    async with workload(stack, "recording_storage", "tenant_data", headers=headers) as http:
        entry = otter.event((await http.get("/v1/calls")).headers["access-event"])
    probes.allowed("a relay's word where it is named", entry["ip"] == ELSEWHERE, entry)


def _inner(hotel: Hotel, name: str) -> dict[tuple[str, str], object]:
    """An operator's work, well-formed: what of it an operator may do itself, then what only the bootstrap may."""
    told = {"reason": "whoever is let in by the body alone", "client_id": str(hotel.client_id)}
    joins = {"name": "A house of their own", "plan": "business", "admin_email": f"{secrets.token_hex(5)}@example.com"}
    return {
        ("POST", "/internal/clients"): joins,
        ("POST", "/internal/operator-tokens"): {**told, "rights": ["guest:read"]},
        ("POST", "/internal/clients/list"): {"reason": told["reason"]},
        ("POST", "/internal/operators"): {"name": name},
        ("GET", "/internal/operators"): None,
        ("DELETE", f"/internal/operators/{name}"): None,
    }


@contextmanager
def _desk(stack: Machine, certificate: Path) -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    context.load_cert_chain(certificate)
    with httpx2.Client(base_url=stack.url_of("auth"), verify=context, trust_env=False, timeout=30) as http:
        yield http


async def test_an_operators_work(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """By another service, by a client's administrator, by nobody at all; beside each, whose work it is."""
    name = f"eve-{secrets.token_hex(3)}"
    for service in ("tenant_data", "audit", "recording_storage", "gateway", "keeper", "prometheus"):
        async with workload(stack, service, "auth") as http:
            for (method, path), body in _inner(heron, name).items():
                answer = await http.request(method, path, json=body)
                told = f"{service} {method} {path}: {answer.status_code} {answer.text}"
                probes.denied("an operator's work by a service", answer.status_code in REFUSED, told)
    for (method, path), body in _inner(heron, name).items():
        for sender in (otter.admin, otter.http):
            answer = sender.request(method, path, json=body)
            told = f"{method} {path}: {answer.status_code} {answer.text}"
            probes.denied("an operator's work from outside", answer.status_code in REFUSED, told)
    with _desk(stack, stack.run / "operators" / operator(stack) / "identity.pem") as http:
        for (method, path), body in _inner(heron, name).items():
            answer = http.request(method, path, json=body)
            told = f"{method} {path}: {answer.status_code} {answer.text}"
            if "/operators" in path:
                probes.denied("the bootstrap's work by an operator", answer.status_code in REFUSED, told)
            else:
                probes.allowed("an operator's own work", answer.is_success, told)
    with _desk(stack, stack.run / "bootstrap" / "bootstrap.pem") as http:
        for (method, path), body in _inner(heron, name).items():
            if "/operators" in path:
                answer = http.request(method, path, json=body)
                probes.allowed("the bootstrap's own work", answer.is_success, f"{method} {path}: {answer.text}")


async def test_what_is_for_machines(stack: Machine, otter: Hotel, probes: Probes) -> None:
    """The question whether a token lives, health and figures: for the platform's own, and never through the gateway."""
    question = {
        "client_id": str(otter.client_id), "session_id": otter.agent.session["session_id"],
        "user_id": otter.agent.user_id, "kind": "user", "issued_at": 0,
    }  # fmt: skip
    inner = {
        ("POST", "/internal/tokens/check"): question, ("GET", "/healthz"): None, ("GET", "/readyz"): None,
        ("GET", "/metrics"): None,
    }  # fmt: skip
    for (method, path), body in inner.items():
        for sender in (otter.admin, otter.http):
            answer = sender.request(method, path, json=body)
            told = f"{method} {path}: {answer.status_code} {answer.text}"
            probes.denied("an inner route from outside", answer.status_code in REFUSED, told)
        async with workload(stack, "audit", "auth") as http:
            answer = await http.request(method, path, json=body)
            probes.allowed("one of the platform's own", answer.is_success, f"{method} {path}: {answer.text}")
    async with workload(stack, "gateway", "auth") as http:
        answer = await http.post("/internal/tokens/check", json=question)
        probes.denied("a token's life told to one that reads none", answer.status_code in REFUSED, answer.text)


def test_a_body_does_not_tell_who_asked(otter: Hotel, probes: Probes) -> None:
    absent = otter.agent.get(f"/v1/guests/{uuid7()}")
    probes.denied("a body that tells who asked", str(otter.client_id) not in absent.text, absent.text)
    probes.allowed("it was answered as absent", absent.status_code == 404, absent.text)
