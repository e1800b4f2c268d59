"""04.2, 04.4: an operator is a named person with a reason and the rights granted, no more; a removed one is nobody."""

import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.newcomer import told
from support.workload import workload

REASON = "ticket 4711: the hotel asked who read a guest"


def certificate(stack: Machine, name: str) -> Path:
    (found,) = [path for path in (stack.run / "operators" / name).rglob("*.pem") if "PRIVATE KEY" in path.read_text()]
    return found


def desk(stack: Machine, name: str) -> httpx2.Client:
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    context.load_cert_chain(certificate(stack, name))
    return httpx2.Client(base_url=stack.url_of("auth"), verify=context, trust_env=False, timeout=10)


@pytest.fixture
def operator(stack: Machine) -> Iterator[str]:
    name = f"alice-{secrets.token_hex(3)}"
    stack.konci("operator", "add", name)
    yield name
    stack.konci("operator", "remove", name, check=False)


def grant(http: httpx2.Client, hotel: Hotel, *rights: str, **changes: object) -> httpx2.Response:
    body = {"client_id": str(hotel.client_id), "reason": REASON, "rights": list(rights), **changes}
    return http.post("/internal/operator-tokens", json=body)


@pytest.mark.parametrize("peer", ["tenant_data", "audit", "gateway"])
async def test_a_workload_is_no_operator(stack: Machine, otter: Hotel, peer: str) -> None:
    body = {"client_id": str(otter.client_id), "reason": REASON, "rights": ["guest:read"]}
    async with workload(stack, peer, "auth") as http:
        assert (await http.post("/internal/operator-tokens", json=body)).status_code == 403
        assert (await http.get("/internal/clients")).status_code == 403
        assert (await http.post("/internal/operators", json={"name": "eve"})).status_code == 403
        assert (await http.delete("/internal/operators/tester")).status_code == 403


def test_nothing_of_it_is_reachable_from_outside(otter: Hotel) -> None:
    for path in ("/internal/clients", "/internal/operators", "/internal/tokens/check"):
        assert otter.admin.get(path).status_code == 404
        assert otter.admin.post(path, json={}).status_code == 404


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_no_reason(stack: Machine, otter: Hotel, operator: str, reason: str) -> None:
    with desk(stack, operator) as http:
        assert grant(http, otter, "guest:read", reason=reason).status_code == 422


def test_a_users_right(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        assert grant(http, otter, "session:own").status_code == 403
        assert grant(http, otter).status_code == 422


def test_no_such_client(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        answer = grant(http, otter, "guest:read", client_id="00000000-0000-7000-8000-000000000000")
        assert answer.status_code == 404


def test_what_was_granted_and_no_more(stack: Machine, otter: Hotel, heron: Hotel, operator: str) -> None:
    guest, foreign = otter.guest(), heron.guest()
    with desk(stack, operator) as http:
        answer = expect(grant(http, otter, "guest:read"), 201)
    granted = otter.event(answer.headers["Access-Event"])
    assert (granted["action"], granted["actor"]["id"], granted["reason"]) == ("operator:grant", operator, REASON)
    token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    read = expect(otter.http.get(f"/v1/guests/{guest['id']}", headers=token), 200)
    entry = otter.event(read.headers["Access-Event"])
    assert (entry["actor"]["type"], entry["actor"]["id"], entry["reason"]) == ("operator", operator, REASON)
    refused = otter.http.get("/v1/calls", headers=token)
    assert refused.status_code == 403
    assert otter.event(refused.headers["Access-Event"])["outcome"] == "denied"
    missed = otter.http.get(f"/v1/guests/{foreign['id']}", headers=token)
    assert missed.status_code == 404
    assert told(missed) == told(otter.admin.get(f"/v1/guests/{foreign['id']}"))


def test_a_removed_one(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        token = {"Authorization": f"Bearer {expect(grant(http, otter, 'guest:read'), 201).json()['access_token']}"}
        assert otter.http.get("/v1/guests", headers=token).status_code == 200
        stack.konci("operator", "remove", operator)
        assert grant(http, otter, "guest:read").status_code == 403  # its certificate is good for hours
    wait_until(lambda: otter.http.get("/v1/guests", headers=token).status_code == 401, within=1, what="the token's end")


def test_a_list_of_clients_is_in_each_clients_log(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        listed = expect(http.get("/internal/clients"), 200).json()["items"]
    assert str(otter.client_id) in {client["client_id"] for client in listed}
    wait_until(
        lambda: any(entry["actor"]["id"] == operator for entry in otter.log(action="client:list")),
        within=10,
        what="the entry",
    )
