"""02.2, 03.4, 04.1: whoever reaches a service past the gateway still needs a token, and is believed nothing else.

With the platform's own certificates: without one nobody is let in at all (tests/isolation/test_tls.py).
"""

from events.uuid7 import uuid7
from pentest.evidence import Probes
from support.hotel import Hotel
from support.machine import Machine
from support.workload import workload


async def test_behind_the_gateway(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Straight to a service, with a certificate of the platform: a token is still needed, and nobody is believed."""
    theirs = heron.guest()["id"]
    bearer = {"Authorization": f"Bearer {otter.agent.token}"}
    for name in ("auth", "audit", "gateway", "keeper", "prometheus"):
        async with workload(stack, name, "tenant_data") as http:
            bare = await http.get("/v1/guests")
            probes.denied(
                "a certificate in place of a token", bare.status_code == 401, bare.text, route="GET /v1/guests"
            )
            for header in (
                "x-client-id",
                "x-tenant",
                "x-jwt-payload",
                "x-forwarded-client-cert",
                "x-user-id",
                "x-original-url",
            ):
                answer = await http.get(f"/v1/guests/{theirs}", headers={**bearer, header: str(heron.client_id)})
                probes.denied(
                    "a client in a header", answer.status_code == 404, answer.text, route="GET /v1/guests/{guest_id}"
                )
            if name != "gateway":
                spoofed = await http.get("/v1/guests", headers={**bearer, "x-envoy-external-address": "203.0.113.66"})
                probes.allowed("its own list", spoofed.status_code == 200, spoofed.text, on=f"as {name}")
                entry = otter.event(spoofed.headers["access-event"])
                probes.denied(
                    "an address of its own choice in the log",
                    entry["ip"] != "203.0.113.66",
                    entry,
                    route="GET /v1/guests",
                )
    for name in ("tenant_data", "audit", "gateway", "prometheus"):
        async with workload(stack, name, "auth") as http:
            for method, path in (
                ("GET", "/internal/operators"),
                ("POST", "/internal/clients"),
                ("POST", "/internal/operator-tokens"),
                ("POST", "/internal/clients/list"),
                ("DELETE", "/internal/operators/nobody"),
            ):
                answer = await http.request(
                    method,
                    path,
                    json={"reason": "x", "client_id": str(heron.client_id), "rights": ["guest:read"]}
                    if method == "POST"
                    else None,
                )
                probes.denied(
                    "an operator's work by a service",
                    answer.status_code in (401, 403, 422),
                    f"{name} {path} {answer.text}",
                )
    for path in (
        "/internal/clients",
        "/internal/operators",
        "/internal/tokens/check",
        "/healthz",
        "/metrics",
        "/readyz",
    ):
        for person in (otter.admin, None):
            answer = person.get(path) if person else otter.http.get(path)
            probes.denied("an inner route from outside", answer.status_code in (401, 404), f"{path} {answer.text}")
    absent = otter.agent.get(f"/v1/guests/{uuid7()}")
    probes.denied("a body that tells who asked", str(otter.client_id) not in absent.text, absent.text)
