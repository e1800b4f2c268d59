"""03.1: a service that keeps something of calls is told which were deleted: of their own client, and of no other."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from events.uuid7 import uuid7
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.workload import bare_context, door, workload
from tenant_data import retention

PATH = "/internal/calls/deleted"


def question(hotel: Hotel, *call_ids: str) -> dict[str, Any]:
    return {"client_id": str(hotel.client_id), "call_ids": list(call_ids)}


async def deleted(stack: Machine, hotel: Hotel, *call_ids: str) -> list[str]:
    async with workload(stack, "recording_storage", "tenant_data") as http:
        told = expect(await http.post(PATH, json=question(hotel, *call_ids)), 200).json()
    assert told["client_id"] == str(hotel.client_id)
    named: list[str] = told["deleted"]
    return named


def gone(hotel: Hotel) -> str:
    call_id = str(hotel.call()["id"])
    expect(hotel.agent.delete(f"/v1/calls/{call_id}"), 204)
    return call_id


class TestRefused:
    @pytest.mark.parametrize("name", ["audit", "auth", "gateway"])
    async def test_another_service(self, stack: Machine, otter: Hotel, name: str) -> None:
        async with workload(stack, name, "tenant_data") as http:
            expect(await http.post(PATH, json=question(otter, gone(otter))), 403)

    async def test_without_a_certificate(self, stack: Machine, otter: Hotel) -> None:
        async with httpx2.AsyncClient(verify=bare_context(stack), trust_env=False) as http:
            with pytest.raises(httpx2.TransportError):
                await http.post(stack.url_of("tenant_data") + PATH, json=question(otter, gone(otter)))

    def test_through_the_gateway(self, otter: Hotel) -> None:
        expect(otter.admin.post(PATH, json=question(otter, gone(otter))), 404)

    @pytest.mark.parametrize("call_ids", [[], ["x"], [str(uuid7())] * 501], ids=["none", "no id", "too many"])
    async def test_no_question(self, stack: Machine, otter: Hotel, call_ids: list[str]) -> None:
        async with workload(stack, "recording_storage", "tenant_data") as http:
            expect(await http.post(PATH, json=question(otter, *call_ids)), 422)


class TestNotNamed:
    async def test_what_is_there_or_never_was(self, stack: Machine, otter: Hotel) -> None:
        assert await deleted(stack, otter, otter.call()["id"], str(uuid7())) == []

    async def test_another_clients(self, stack: Machine, otter: Hotel, heron: Hotel) -> None:
        theirs = gone(heron)
        assert await deleted(stack, otter, theirs) == []
        assert await deleted(stack, heron, theirs) == [theirs]

    async def test_what_is_only_absent(self, stack: Machine, otter: Hotel) -> None:
        """As in a database that was restored from before the call."""
        call_id = otter.call()["id"]
        async with superuser(stack, "tenant_data") as connection:
            assert await connection.execute("DELETE FROM call WHERE call_id = $1", UUID(call_id)) == "DELETE 1"
        assert await deleted(stack, otter, call_id) == []


class TestNamed:
    async def test_a_deleted_call(self, stack: Machine, otter: Hotel) -> None:
        call_id, kept = gone(otter), otter.call()["id"]
        assert await deleted(stack, otter, kept, call_id) == [call_id]

    async def test_the_calls_of_an_erased_guest(self, stack: Machine, otter: Hotel) -> None:
        guest_id = otter.guest()["id"]
        call_ids = [otter.call(guest_id=guest_id)["id"] for _ in range(2)]
        expect(otter.agent.delete(f"/v1/guests/{guest_id}"), 202)
        assert await deleted(stack, otter, *call_ids) == sorted(call_ids)

    async def test_until_nobody_can_have_missed_it(self, stack: Machine, otter: Hotel) -> None:
        call_id = gone(otter)
        for days, named in ((89, [call_id]), (91, [])):
            async with door(stack, "tenant_data") as inside:
                inside.clock.shift = timedelta(days=days)
                await retention.sweep(inside)
            assert await deleted(stack, otter, call_id) == named
