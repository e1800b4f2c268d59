"""Invariant 11: a service that hears no heartbeat asks, and is told what the topic would have told it."""

import asyncio
import secrets
import time
from collections.abc import Iterator

import pytest

from support.hotel import Hotel, Person, expect
from support.machine import Machine
from support.newcomer import newcomer
from support.workload import workload


def question(hotel: Hotel, person: Person, **changes: object) -> dict[str, object]:
    return {
        "client_id": str(hotel.client_id),
        "session_id": person.session["session_id"],
        "user_id": person.user_id,
        "kind": "user",
        "issued_at": int(time.time()),
        **changes,
    }


async def ask(stack: Machine, body: dict[str, object]) -> bool:
    async with workload(stack, "tenant_data", "auth") as http:
        answer = expect(await http.post("/internal/tokens/check", json=body), 200)
    return bool(answer.json()["active"])


async def test_of_another_client(stack: Machine, otter: Hotel, heron: Hotel) -> None:
    assert not await ask(stack, question(heron, newcomer(otter)))


async def test_of_another_user(stack: Machine, otter: Hotel) -> None:
    assert not await ask(stack, question(otter, newcomer(otter), user_id=otter.admin.user_id))


async def test_without_a_session(stack: Machine, otter: Hotel) -> None:
    assert not await ask(stack, question(otter, newcomer(otter), session_id=None))


async def test_ended(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    expect(person.delete("/v1/sessions/current"), 204)
    assert not await ask(stack, question(otter, person))


async def test_disabled(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    expect(otter.admin.patch(f"/v1/users/{person.user_id}", json={"status": "disabled"}), 200)
    assert not await ask(stack, question(otter, person))


async def test_an_operator_that_is_none(stack: Machine, otter: Hotel) -> None:
    assert not await ask(stack, question(otter, newcomer(otter), kind="operator", user_id="nobody", session_id=None))


@pytest.mark.parametrize("peer", ["gateway", "prometheus", "keeper", "kafka"])
async def test_who_verifies_no_tokens(stack: Machine, otter: Hotel, peer: str) -> None:
    async with workload(stack, peer, "auth") as http:
        answer = await http.post("/internal/tokens/check", json=question(otter, newcomer(otter)))
    assert answer.status_code == 403


@pytest.fixture
def operator(stack: Machine) -> Iterator[str]:
    name = f"rita-{secrets.token_hex(3)}"
    stack.konci("operator", "add", name)
    yield name
    stack.konci("operator", "remove", name, check=False)


async def test_an_operator_who_came_back(stack: Machine, otter: Hotel, operator: str) -> None:
    mine = question(otter, newcomer(otter), kind="operator", user_id=operator, session_id=None)
    assert await ask(stack, mine)
    stack.konci("operator", "remove", operator)
    stack.konci("operator", "add", operator)
    assert not await ask(stack, mine)  # a token of before the removal
    await asyncio.sleep(1)  # a token's time is in whole seconds
    assert await ask(stack, {**mine, "issued_at": int(time.time())})


async def test_alive(stack: Machine, otter: Hotel) -> None:
    assert await ask(stack, question(otter, newcomer(otter)))
