"""Invariant 11: a service that hears no heartbeat asks, and is told what the topic would have told it."""

import time

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


async def test_alive(stack: Machine, otter: Hotel) -> None:
    assert await ask(stack, question(otter, newcomer(otter)))
