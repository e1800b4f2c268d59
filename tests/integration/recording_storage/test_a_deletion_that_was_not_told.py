"""03.1, invariant 6: a call's recordings go although the event of its deletion was lost: on tenant_data's word."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from guard import errors
from recording_storage import inquiry
from recording_storage.call import Calls
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import SERVICE, inside, objects, play, record, rows
from support.workload import workload


@asynccontextmanager
async def untold(stack: Machine, call_id: str) -> AsyncIterator[None]:
    """The call is deleted and tenant_data knows it; nothing was sent."""
    async with superuser(stack, "tenant_data") as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO deleted_call SELECT client_id, call_id, now() FROM call WHERE call_id = $1", UUID(call_id)
        )
        assert await connection.execute("DELETE FROM call WHERE call_id = $1", UUID(call_id)) == "DELETE 1"
    yield


async def ask(stack: Machine, address: str | None = None) -> int:
    async with inside(stack) as parts, workload(stack, SERVICE, "tenant_data") as http:
        return await inquiry.ask(parts.door.pools.job, Calls(http, address or stack.url_of("tenant_data")))


async def buried(stack: Machine, hotel: Hotel) -> set[str]:
    return {str(row["subject_id"]) for row in await rows(stack, "tombstone", hotel.client_id) if row["kind"] == "call"}


async def test_what_is_there_or_only_absent_stays(stack: Machine, otter: Hotel) -> None:
    there, absent = record(otter), record(otter)
    async with superuser(stack, "tenant_data") as connection:
        assert await connection.execute("DELETE FROM call WHERE call_id = $1", UUID(absent["call_id"])) == "DELETE 1"
    await ask(stack)
    assert not {there["call_id"], absent["call_id"]} & await buried(stack, otter)
    for told in (there, absent):
        expect(play(otter.agent, told["id"]), 200)


async def test_nobody_answers(stack: Machine, otter: Hotel) -> None:
    told = record(otter)
    async with untold(stack, told["call_id"]):
        with pytest.raises(errors.Unavailable):
            await ask(stack, "https://localhost:1")
    assert told["call_id"] not in await buried(stack, otter)
    expect(play(otter.agent, told["id"]), 200)


async def test_it_goes_by_the_next_inquiry(
    stack: Machine, otter: Hotel, heron: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "_PAGE", 2)  # so that it is found behind others, of two clients
    others = [record(hotel) for hotel in (otter, heron) for _ in range(2)]
    told, held = record(otter), record(otter)
    expect(otter.admin.put(f"/v1/recordings/{held['id']}/legal-hold", json={"reason": "case 47"}), 200)
    async with untold(stack, told["call_id"]), untold(stack, held["call_id"]):
        assert await ask(stack) >= 2
        assert {told["call_id"], held["call_id"]} <= await buried(stack, otter)
        assert await ask(stack) == 0
    expect(otter.agent.get(f"/v1/recordings/{told['id']}"), 404)
    wait_until(lambda: not objects(stack, told["id"]), within=30, what="the erasing of its objects")
    asked = {"action": "recording:delete", "resource_type": "recording", "resource_id": told["id"]}
    wait_until(lambda: bool(otter.log(**asked)), within=60, what="the entry")
    assert otter.log(**asked)[-1]["reason"].endswith("call deleted")
    expect(play(otter.agent, held["id"]), 200)
    for other, hotel in zip(others, (otter, otter, heron, heron), strict=True):
        expect(play(hotel.agent, other["id"]), 200)
