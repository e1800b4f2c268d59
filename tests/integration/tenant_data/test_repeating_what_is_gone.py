"""02.1: a stored answer never outlives what it shows: the key of what was deleted or moved is a 409 without content."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine

LINE = "+44 20 7946 0018"
CALL = {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z", "from_number": LINE, "outcome": "wants a cot"}


def created(hotel: Hotel, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    answer: dict[str, Any] = expect(hotel.agent.post(path, json=body, headers={"Idempotency-Key": key}), 201).json()
    return answer


def refused(hotel: Hotel, path: str, body: dict[str, Any], key: str) -> None:
    for again in (body, {**body, "outcome": "something else"} if "outcome" in body else {"name": "Bob"}):
        answer = hotel.agent.post(path, json=again, headers={"Idempotency-Key": key})
        assert answer.status_code == 409, answer.text
        assert LINE not in answer.text
        assert "Ada" not in answer.text


async def stored(stack: Machine, resource_id: str) -> list[tuple[bytes, bytes]]:
    """Sealed answer and body's hash of every key that created this resource."""
    async with superuser(stack, "tenant_data") as connection:
        rows = await connection.fetch(
            "SELECT sealed, body_hash FROM guard.idempotency WHERE resource_id = $1", UUID(resource_id)
        )
    return [(row["sealed"], row["body_hash"]) for row in rows]


async def test_a_call_that_was_deleted(stack: Machine, otter: Hotel) -> None:
    for guest_id in (None, otter.guest()["id"]):
        key, body = str(uuid4()), {**CALL, "guest_id": guest_id}
        call_id = created(otter, "/v1/calls", body, key)["id"]
        expect(otter.agent.delete(f"/v1/calls/{call_id}"), 204)
        assert otter.agent.get(f"/v1/calls/{call_id}").status_code == 404
        refused(otter, "/v1/calls", body, key)
        assert await stored(stack, call_id) == [(b"", b"")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda one, _: one, lambda _, other: other),
        (lambda one, _: one, lambda _, __: None),
        (lambda _, __: None, lambda _, other: other),
    ],
    ids=["to another guest", "to nobody", "from nobody"],
)
async def test_a_call_that_was_moved(
    stack: Machine, otter: Hotel, before: Callable[..., str | None], after: Callable[..., str | None]
) -> None:
    one, other, key = otter.guest()["id"], otter.guest()["id"], str(uuid4())
    body = {**CALL, "guest_id": before(one, other)}
    call_id = created(otter, "/v1/calls", body, key)["id"]
    expect(otter.agent.patch(f"/v1/calls/{call_id}", json={"guest_id": after(one, other)}), 200)
    refused(otter, "/v1/calls", body, key)
    assert await stored(stack, call_id) == [(b"", b"")]
    assert otter.agent.get(f"/v1/calls/{call_id}").json()["from_number"] == LINE


async def test_a_guest_that_was_erased_and_the_calls_with_it(stack: Machine, otter: Hotel) -> None:
    guest_key, call_key, other_key = (str(uuid4()) for _ in range(3))
    guest_id = created(otter, "/v1/guests", {"name": "Ada"}, guest_key)["id"]
    body = {**CALL, "guest_id": guest_id}
    call_id = created(otter, "/v1/calls", body, call_key)["id"]
    other = created(otter, "/v1/guests", {"name": "Ada"}, other_key)
    expect(otter.agent.delete(f"/v1/guests/{guest_id}"), 202)
    refused(otter, "/v1/guests", {"name": "Ada"}, guest_key)
    refused(otter, "/v1/calls", body, call_key)
    assert [*await stored(stack, guest_id), *await stored(stack, call_id)] == [(b"", b"")] * 2
    assert created(otter, "/v1/guests", {"name": "Ada"}, other_key) == other


def test_a_change_that_moves_nothing_keeps_the_first_answer(otter: Hotel) -> None:
    key, body = str(uuid4()), {**CALL, "guest_id": otter.guest()["id"]}
    first = created(otter, "/v1/calls", body, key)
    same = {"guest_id": body["guest_id"], "outcome": "no cot"}
    expect(otter.agent.patch(f"/v1/calls/{first['id']}", json=same), 200)
    assert created(otter, "/v1/calls", body, key) == first
