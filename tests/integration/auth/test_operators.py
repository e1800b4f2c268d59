"""04.2, 04.4: an operator is a named person with a reason and the rights granted, no more; a removed one is nobody."""

import asyncio
import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from auth.operator import HOLDABLE, Asker, Grant
from auth.routes import internal
from events.access import PLATFORM
from guard.errors import Forbidden
from guard.rights import Right
from support.bureau import bureau
from support.database import superuser
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


@pytest.fixture(scope="module")
def operator(stack: Machine) -> Iterator[str]:
    """An operator who stays as is."""
    name = f"alice-{secrets.token_hex(3)}"
    stack.konci("operator", "add", name)
    yield name
    stack.konci("operator", "remove", name)


@pytest.fixture
def outgoing(stack: Machine) -> Iterator[str]:
    """One of a test's own, to be changed or removed."""
    name = f"olga-{secrets.token_hex(3)}"
    stack.konci("operator", "add", name)
    yield name
    stack.konci("operator", "add", name)  # whom a test has removed: the certificate goes only with the operator
    stack.konci("operator", "remove", name)


def grant(http: httpx2.Client, hotel: Hotel, *rights: str, **changes: object) -> httpx2.Response:
    body = {"client_id": str(hotel.client_id), "reason": REASON, "rights": list(rights), **changes}
    return http.post("/internal/operator-tokens", json=body)


@pytest.mark.parametrize("peer", ["tenant_data", "audit", "recording_storage", "gateway"])
async def test_a_workload_is_no_operator(stack: Machine, otter: Hotel, peer: str) -> None:
    body = {"client_id": str(otter.client_id), "reason": REASON, "rights": ["guest:read"]}
    async with workload(stack, peer, "auth") as http:
        assert (await http.post("/internal/operator-tokens", json=body)).status_code == 403
        assert (await http.post("/internal/clients/list", json={"reason": REASON})).status_code == 403
        assert (await http.post("/internal/operators", json={"name": "eve"})).status_code == 403
        assert (await http.delete("/internal/operators/tester")).status_code == 403


def test_nothing_of_it_is_reachable_from_outside(otter: Hotel) -> None:
    for path in ("/internal/clients", "/internal/clients/list", "/internal/operators", "/internal/tokens/check"):
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


def test_a_removed_one(stack: Machine, otter: Hotel, outgoing: str) -> None:
    with desk(stack, outgoing) as http:
        token = {"Authorization": f"Bearer {expect(grant(http, otter, 'guest:read'), 201).json()['access_token']}"}
        assert otter.http.get("/v1/guests", headers=token).status_code == 200
        stack.konci("operator", "remove", outgoing)
        assert grant(http, otter, "guest:read").status_code == 403  # its certificate is good for hours
    wait_until(lambda: otter.http.get("/v1/guests", headers=token).status_code == 401, within=1, what="the token's end")


def removed(stack: Machine, name: str) -> httpx2.Response:
    with as_bootstrap(stack) as http:
        return http.delete(f"/internal/operators/{name}")


async def test_a_token_that_is_minted_while_the_operator_is_removed(
    stack: Machine, otter: Hotel, outgoing: str
) -> None:
    async with bureau(stack) as auth:
        body = Grant(client_id=otter.client_id, reason=REASON, rights=[Right.GUEST_READ])
        asker = Asker(outgoing, HOLDABLE)
        granting = asyncio.create_task(internal.grant(body, asker, auth.visitor(), auth.door.entry(), auth.office))
        await auth.signing.reached.wait()
        removal = asyncio.create_task(asyncio.to_thread(removed, stack, outgoing))
        await asyncio.sleep(1.1)  # `iat` is in whole seconds: without a lock it would be later than the removal
        auth.signing.opened.set()
        token = {"Authorization": f"Bearer {(await granting).access_token}"}
        expect(await removal, 204)
        wait_until(
            lambda: otter.http.get("/v1/guests", headers=token).status_code == 401, within=1, what="the token's end"
        )
        # And whoever was asked for just before: the door asks again.
        entry = auth.door.entry()
        with pytest.raises(Forbidden):
            await internal.grant(body, asker, auth.visitor(), entry, auth.office)
    told = otter.event(entry.state["access_event"])
    assert (told["actor"]["id"], told["outcome"]) == (outgoing, "denied")


def listing(http: httpx2.Client, **changes: object) -> httpx2.Response:
    return http.post("/internal/clients/list", json={"reason": REASON, **changes})


def test_a_list_of_clients_is_in_each_clients_log(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        listed = expect(listing(http), 200).json()["items"]
    assert str(otter.client_id) in {client["client_id"] for client in listed}
    wait_until(
        lambda: any(
            (entry["actor"]["id"], entry["reason"]) == (operator, REASON) for entry in otter.log(action="client:list")
        ),
        within=10,
        what="the entry",
    )


@pytest.mark.parametrize("changes", [{"reason": ""}, {"reason": " "}, {"reason": "x" * 501}, {"limit": 0}])
def test_a_list_without_a_reason(stack: Machine, operator: str, changes: dict[str, object]) -> None:
    with desk(stack, operator) as http:
        assert listing(http, **changes).status_code == 422


def newcomer_of(email: str = "", name: str = "Nobody's House") -> dict[str, str]:
    email = email or f"admin-{secrets.token_hex(4)}@example.com"
    return {"name": name, "plan": "pro", "admin_email": email}


async def platform_event(stack: Machine, event_id: str) -> tuple[str, str, str]:
    """Actor, action and outcome of an entry in the platform's own log, which no client can read."""
    for _ in range(100):
        async with superuser(stack, "audit") as connection:
            row = await connection.fetchrow(
                "SELECT actor_id, action, outcome FROM access_event WHERE client_id = $1 AND event_id = $2",
                PLATFORM,
                UUID(event_id),
            )
        if row is not None:
            return row["actor_id"], row["action"], row["outcome"]
        await asyncio.sleep(0.1)
    raise AssertionError(f"no entry {event_id}")


@pytest.fixture(scope="module")
def reader(stack: Machine) -> Iterator[str]:
    """An operator who may ask for one right only."""
    name = f"rhea-{secrets.token_hex(3)}"
    stack.konci("operator", "add", name, "--right", "access_event:read")
    yield name
    stack.konci("operator", "remove", name, check=False)


async def test_who_may_only_read_logs_neither_makes_nor_lists_clients(stack: Machine, reader: str) -> None:
    with desk(stack, reader) as http:
        made = http.post("/internal/clients", json=newcomer_of())
        listed = listing(http)
    for answer, right in ((made, "client:create"), (listed, "client:list")):
        assert answer.status_code == 403
        assert right in answer.json()["detail"]
        assert await platform_event(stack, answer.headers["Access-Event"]) == (reader, right, "denied")


async def test_a_right_of_the_platform_is_none_at_a_client(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        for right in ("client:create", "client:list"):
            assert grant(http, otter, right).status_code == 403


def test_a_right_that_is_not_held_is_in_the_clients_log(stack: Machine, otter: Hotel, reader: str) -> None:
    with desk(stack, reader) as http:
        answer = grant(http, otter, "access_event:read", "guest:read")
    assert answer.status_code == 403
    assert "guest:read" in answer.json()["detail"]
    entry = otter.event(answer.headers["Access-Event"])
    assert (entry["action"], entry["outcome"]) == ("operator:grant", "denied")
    assert (entry["actor"]["type"], entry["actor"]["id"]) == ("operator", reader)
    assert REASON in entry["reason"]
    assert "guest:read" in entry["reason"]


async def test_one_who_is_not_registered_any_more_is_told_of(stack: Machine, otter: Hotel, outgoing: str) -> None:
    with desk(stack, outgoing) as http:
        stack.konci("operator", "remove", outgoing)
        asked = grant(http, otter, "guest:read")
        listed = listing(http)
    assert (asked.status_code, listed.status_code) == (403, 403)
    entry = otter.event(asked.headers["Access-Event"])
    assert (entry["actor"]["id"], entry["outcome"]) == (outgoing, "denied")
    assert await platform_event(stack, listed.headers["Access-Event"]) == (outgoing, "client:list", "denied")


async def test_a_client_that_is_none_is_in_the_platforms_log(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        answer = grant(http, otter, "guest:read", client_id="00000000-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert await platform_event(stack, answer.headers["Access-Event"]) == (operator, "operator:grant", "denied")


async def test_a_client_whose_administrator_is_taken(stack: Machine, otter: Hotel, operator: str) -> None:
    with desk(stack, operator) as http:
        answer = http.post("/internal/clients", json=newcomer_of(otter.admin.email))
    assert answer.status_code == 409
    assert await platform_event(stack, answer.headers["Access-Event"]) == (operator, "client:create", "denied")


def as_bootstrap(stack: Machine) -> httpx2.Client:
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    context.load_cert_chain(stack.run / "bootstrap" / "bootstrap.pem")
    return httpx2.Client(base_url=stack.url_of("auth"), verify=context, trust_env=False, timeout=10)


async def test_who_registers_whom_is_in_the_platforms_log(stack: Machine) -> None:
    name = f"zoe-{secrets.token_hex(3)}"
    with as_bootstrap(stack) as http:
        for rights in (["guest:read"], ["guest:read", "call:read"], ["guest:read"]):
            answer = expect(http.post("/internal/operators", json={"name": name, "rights": rights}), 201)
            event = await platform_event(stack, answer.headers["Access-Event"])
            assert event[1:] == ("operator:register", "allowed")
        answer = expect(http.delete(f"/internal/operators/{name}"), 204)
        assert (await platform_event(stack, answer.headers["Access-Event"]))[1:] == ("operator:revoke", "allowed")


@pytest.mark.parametrize("name", ["a" * 300, "a", "Alice", "a.b"])
def test_a_name_that_is_none(stack: Machine, name: str) -> None:
    with as_bootstrap(stack) as http:
        assert http.delete(f"/internal/operators/{name}").status_code == 422


def test_a_right_that_is_taken_away_ends_tokens_that_carry_it(stack: Machine, otter: Hotel, outgoing: str) -> None:
    with desk(stack, outgoing) as http:
        token = {"Authorization": f"Bearer {expect(grant(http, otter, 'guest:read'), 201).json()['access_token']}"}
    assert otter.http.get("/v1/guests", headers=token).status_code == 200
    stack.konci("operator", "add", outgoing, "--right", "call:read")
    wait_until(lambda: otter.http.get("/v1/guests", headers=token).status_code == 401, within=1, what="the token's end")
