"""03.1: a guest's recordings go with its calls, on tenant_data's word; whose a call was before, destroys nothing."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord

from events.guest import GuestErased
from guard import errors
from recording_storage import consumers, inquiry, retention
from recording_storage.call import Calls
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import SERVICE, inside, objects, play, record, rows, standing
from support.workload import workload


async def believe(stack: Machine, recording_id: str, guest_id: str) -> None:
    """This service takes the recording for another guest's, as after a `CallAssigned` that was lost."""
    async with superuser(stack, SERVICE) as connection:
        done = await connection.execute(
            "UPDATE recording SET guest_id = $2 WHERE recording_id = $1", UUID(recording_id), UUID(guest_id)
        )
        assert done == "UPDATE 1"


async def erase_untold(stack: Machine, guest_id: str) -> None:
    """The guest's calls are deleted and tenant_data knows it; nothing was sent."""
    async with superuser(stack, "tenant_data") as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO deleted_call SELECT client_id, call_id, now() FROM call WHERE guest_id = $1", UUID(guest_id)
        )
        await connection.execute("DELETE FROM call WHERE guest_id = $1", UUID(guest_id))


async def tell(stack: Machine, hotel: Hotel, guest_id: str) -> None:
    """The service hears of the erasure, and was not woken."""
    erased = GuestErased(client_id=hotel.client_id, guest_id=UUID(guest_id), at=datetime.now(UTC))
    key, payload = str(hotel.client_id).encode(), erased.payload().encode()
    async with inside(stack) as parts:
        learn = consumers.learn_guests(parts.door.pools.job, lambda: None)
        await learn([ConsumerRecord(consumers.GUESTS, 0, 0, 0, 0, key, payload, None, 0, len(payload), [])])


async def ask(stack: Machine, address: str | None = None) -> int:
    async with inside(stack) as parts, workload(stack, SERVICE, "tenant_data") as http:
        calls = Calls(http, address or stack.url_of("tenant_data"))
        return await inquiry.ask_of_erased_guests(parts.door.pools.job, calls)


async def is_settled(stack: Machine, hotel: Hotel, guest_id: str) -> bool:
    """Whether tenant_data has answered about this guest's calls."""
    [settled] = [
        row["settled_at"] is not None
        for row in await rows(stack, "tombstone", hotel.client_id)
        if row["subject_id"] == UUID(guest_id)
    ]
    return settled


async def sweep(stack: Machine) -> None:
    async with inside(stack) as parts:
        await retention.sweep_deleted(parts.door)


def is_there(hotel: Hotel, told: dict[str, Any]) -> bool:
    return expect(hotel.agent.get(f"/v1/recordings/{told['id']}"), 200, 404).status_code == 200


class TestNotTheirs:
    async def test_a_call_that_was_theirs_before(self, stack: Machine, otter: Hotel) -> None:
        erased, other = otter.guest()["id"], otter.guest()["id"]
        lives, own, untold = record(otter, guest_id=other), record(otter, guest_id=erased), record(otter)
        for told in (lives, untold):
            await believe(stack, told["id"], erased)
        expect(otter.agent.delete(f"/v1/guests/{erased}"), 202)
        wait_until(lambda: not is_there(otter, own), within=60, what="the deletion of the guest's own recording")
        await tell(stack, otter, erased)  # again: whoever is last asks, and all was asked
        await ask(stack)
        assert await is_settled(stack, otter, erased)
        await sweep(stack)
        for told in (lives, untold):
            expect(play(otter.agent, told["id"]), 200)
            assert objects(stack, told["id"])
            listed = expect(otter.agent.get("/v1/recordings", params={"call_id": told["call_id"]}), 200).json()
            assert [item["id"] for item in listed["items"]] == [told["id"]]
        assert not is_there(otter, own)

    async def test_it_goes_with_its_own_guest(self, stack: Machine, otter: Hotel) -> None:
        before, now = otter.guest()["id"], otter.guest()["id"]
        told = record(otter, guest_id=now)
        await believe(stack, told["id"], before)
        expect(otter.agent.delete(f"/v1/guests/{now}"), 202)
        wait_until(lambda: not is_there(otter, told), within=60, what="the deletion with the call")
        wait_until(lambda: not objects(stack, told["id"]), within=60, what="the erasing of its objects")


class TestTheirs:
    async def test_nobody_answers(self, stack: Machine, otter: Hotel) -> None:
        guest_id = otter.guest()["id"]
        told = record(otter, guest_id=guest_id)
        with standing(stack):  # it would ask by itself
            await erase_untold(stack, guest_id)
            await tell(stack, otter, guest_id)
            with pytest.raises(errors.Unavailable):
                await ask(stack, "https://localhost:1")
            assert not await is_settled(stack, otter, guest_id)
            await sweep(stack)
            assert UUID(told["id"]) in {row["recording_id"] for row in await rows(stack, "recording", otter.client_id)}
        wait_until(lambda: not is_there(otter, told), within=60, what="the next time that it asks")

    async def test_calls_whose_deletion_was_not_told(
        self, stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inquiry, "_PAGE", 2)
        guests = [otter.guest()["id"] for _ in range(2)]
        gone = [record(otter, guest_id=guest_id) for guest_id in (*guests, guests[0], guests[0])]
        there = record(otter, guest_id=otter.guest()["id"])
        with standing(stack):
            for guest_id in guests:
                await erase_untold(stack, guest_id)
                await tell(stack, otter, guest_id)
            assert await ask(stack) == 4
            assert await ask(stack) == 0
            await sweep(stack)
        assert not any(is_there(otter, told) for told in gone)
        expect(play(otter.agent, there["id"]), 200)
        for told in gone:
            asked = {"action": "recording:delete", "resource_type": "recording", "resource_id": told["id"]}
            wait_until(lambda asked=asked: len(otter.log(**asked)) == 2, within=60, what="both entries")
            destroyed, erased = sorted(otter.log(**asked), key=lambda entry: len(entry["reason"]))
            assert destroyed["reason"] == "guest erased"
            assert "by guest erased; unrecoverable after" in erased["reason"]
