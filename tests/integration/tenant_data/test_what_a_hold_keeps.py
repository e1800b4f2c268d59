"""02.1: an answer to a deletion names what a legal hold keeps: of its own client, and for as long as it is held."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from events.call import CallAssigned, CallDeleted, call_event_of
from events.event import Event
from events.hold import HoldLifted, HoldPlaced
from events.uuid7 import uuid7
from support import bus
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.workload import door
from tenant_data.consumers import HOLDS, Misattributed, learn_holds

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CALLS = "tenant_data.calls"
Learn = Callable[..., None]


def record(payload: bytes, key: UUID) -> ConsumerRecord:
    return ConsumerRecord(HOLDS, 0, 0, 0, 0, str(key).encode(), payload, None, 0, len(payload), [])


async def learn(stack: Machine, key: UUID, *events: Event | bytes) -> None:
    payloads = [event if isinstance(event, bytes) else event.payload().encode() for event in events]
    async with door(stack, "tenant_data") as opened:
        await learn_holds(opened.pools.job)([record(payload, key) for payload in payloads])


def placed(hotel: Hotel, call_id: str, guest_id: str | None, *, at: datetime = NOW) -> HoldPlaced:
    guest = UUID(guest_id) if guest_id else None
    return HoldPlaced(
        client_id=hotel.client_id, recording_id=uuid7(), call_id=UUID(call_id), guest_id=guest, at=at
    )  # fmt: skip


def lifted(hold: HoldPlaced, *, later: int) -> HoldLifted:
    at = hold.at + timedelta(seconds=later)
    return HoldLifted(client_id=hold.client_id, recording_id=hold.recording_id, at=at)


def named(*holds: HoldPlaced) -> list[dict[str, str]]:
    return [{"type": "recording", "id": str(one)} for one in sorted(hold.recording_id for hold in holds)]


class TestNotBelieved:
    @pytest.mark.parametrize("other", [b"", b"{}", b'{"event": "GuestErased"}', b"\xff"])
    async def test_something_else_keeps_its_batch_out(self, stack: Machine, otter: Hotel, other: bytes) -> None:
        guest = otter.guest()
        call = otter.call(guest_id=guest["id"])
        with pytest.raises(ValidationError):
            await learn(stack, otter.client_id, placed(otter, call["id"], guest["id"]), other)
        assert expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202).json()["kept"] == []

    async def test_under_another_clients_key(self, stack: Machine, otter: Hotel, heron: Hotel) -> None:
        call = otter.call()
        with pytest.raises(Misattributed):
            await learn(stack, heron.client_id, placed(otter, call["id"], None))
        expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 204)

    async def test_another_clients_hold_on_a_call_of_ours(self, stack: Machine, otter: Hotel, heron: Hotel) -> None:
        guest = otter.guest()
        call = otter.call(guest_id=guest["id"])
        await learn(stack, heron.client_id, placed(heron, call["id"], guest["id"]))
        assert expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202).json()["kept"] == []


class TestGuest:
    async def test_what_is_held_of_its_calls(self, stack: Machine, otter: Hotel) -> None:
        guest, other = otter.guest(), otter.guest()
        first, second = (otter.call(guest_id=guest["id"])["id"] for _ in range(2))
        holds = [placed(otter, call_id, guest["id"]) for call_id in (first, first, second)]
        apart = placed(otter, otter.call(guest_id=other["id"])["id"], other["id"])
        await learn(stack, otter.client_id, *holds, apart)
        answer = expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
        assert answer.json() == {"id": guest["id"], "kept": named(*holds)}
        entry = otter.event(answer.headers["access-event"])
        assert [one for one in entry["resources"] if one["type"] == "recording"] == answer.json()["kept"]
        assert entry["reason"] == "recordings kept by a legal hold: 3"

    async def test_of_a_call_that_was_deleted_before(self, stack: Machine, otter: Hotel) -> None:
        guest = otter.guest()
        call = otter.call(guest_id=guest["id"])
        hold = placed(otter, call["id"], guest["id"])
        await learn(stack, otter.client_id, hold)
        expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 200)
        assert expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202).json()["kept"] == named(hold)

    async def test_of_a_call_that_is_another_guests_since(self, stack: Machine, otter: Hotel) -> None:
        before, since = otter.guest(), otter.guest()
        call = otter.call(guest_id=before["id"])
        hold = placed(otter, call["id"], before["id"])
        await learn(stack, otter.client_id, hold)
        expect(otter.agent.patch(f"/v1/calls/{call['id']}", json={"guest_id": since["id"]}), 200)
        await learn(stack, otter.client_id, hold)  # the same word again
        assert expect(otter.agent.delete(f"/v1/guests/{before['id']}"), 202).json()["kept"] == []
        assert expect(otter.agent.delete(f"/v1/guests/{since['id']}"), 202).json()["kept"] == named(hold)

    async def test_of_one_that_was_deleted_since(self, stack: Machine, otter: Hotel) -> None:
        before, since = otter.guest(), otter.guest()
        call = otter.call(guest_id=before["id"])
        hold = placed(otter, call["id"], before["id"])
        await learn(stack, otter.client_id, hold)
        expect(otter.agent.patch(f"/v1/calls/{call['id']}", json={"guest_id": since["id"]}), 200)
        expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 200)
        assert expect(otter.agent.delete(f"/v1/guests/{before['id']}"), 202).json()["kept"] == []
        assert expect(otter.agent.delete(f"/v1/guests/{since['id']}"), 202).json()["kept"] == named(hold)


class TestCall:
    async def test_of_which_one_is_held(self, stack: Machine, otter: Hotel) -> None:
        call = otter.call()
        hold, apart = placed(otter, call["id"], None), placed(otter, otter.call()["id"], None)
        await learn(stack, otter.client_id, hold, apart)
        answer = expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 200)
        assert answer.json() == {"id": call["id"], "kept": named(hold)}
        assert otter.event(answer.headers["access-event"])["reason"] == "recordings kept by a legal hold: 1"
        assert otter.agent.get(f"/v1/calls/{call['id']}").status_code == 404

    async def test_of_which_none_is_held_any_more(self, stack: Machine, otter: Hotel) -> None:
        call = otter.call()
        hold = placed(otter, call["id"], None)
        await learn(stack, otter.client_id, hold, lifted(hold, later=1), hold)  # an older word comes again
        answer = expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 204)
        assert answer.content == b""

    async def test_of_which_one_is_held_anew(self, stack: Machine, otter: Hotel) -> None:
        call = otter.call()
        hold = placed(otter, call["id"], None)
        again = hold.model_copy(update={"at": hold.at + timedelta(seconds=2)})
        await learn(stack, otter.client_id, hold, again, lifted(hold, later=1))  # and that one comes late
        assert expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 200).json()["kept"] == named(hold)

    async def test_lifted_before_anything_else_was_heard(self, stack: Machine, otter: Hotel) -> None:
        call = otter.call()
        hold = placed(otter, call["id"], None)
        await learn(stack, otter.client_id, lifted(hold, later=1), hold)
        expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 204)


async def test_it_comes_by_its_topic(stack: Machine, otter: Hotel) -> None:
    call = otter.call()
    hold = placed(otter, call["id"], None)
    await bus.send(stack, "recording_storage", HOLDS, hold.payload().encode(), key=str(otter.client_id))
    async with superuser(stack, "tenant_data") as connection:
        count = "SELECT count(*) FROM held_recording WHERE client_id = $1 AND recording_id = $2"
        for _ in range(100):
            if await connection.fetchval(count, otter.client_id, hold.recording_id):
                break
            await asyncio.sleep(0.1)
    assert expect(otter.agent.delete(f"/v1/calls/{call['id']}"), 200).json()["kept"] == named(hold)


class TestTold:
    """Whoever holds something of a call hears what became of it: once it is committed, and only then."""

    async def of_call(self, stack: Machine, call_id: str, last: type[Event]) -> Sequence[Event]:
        seen: list[Event] = []

        def is_last(one: ConsumerRecord) -> bool:
            said = call_event_of(one.value)
            if str(said.call_id) == call_id:
                seen.append(said)
                return isinstance(said, last)
            return False

        await bus.await_record(stack, "recording_storage", CALLS, is_last)
        return seen

    async def test_moved_and_deleted(self, stack: Machine, otter: Hotel) -> None:
        guest = otter.guest()
        call = otter.call()["id"]
        expect(otter.agent.patch(f"/v1/calls/{call}", json={"outcome": "moves nobody"}), 200)
        expect(otter.agent.patch(f"/v1/calls/{call}", json={"guest_id": guest["id"]}), 200)
        expect(otter.agent.patch(f"/v1/calls/{call}", json={"guest_id": guest["id"]}), 200)
        expect(otter.agent.patch(f"/v1/calls/{call}", json={"guest_id": None}), 200)
        assert otter.agent.delete(f"/v1/calls/{call}", headers={"If-Match": '"1"'}).status_code == 412
        expect(otter.agent.delete(f"/v1/calls/{call}"), 204)
        told = await self.of_call(stack, call, CallDeleted)
        moves = [said.guest_id for said in told if isinstance(said, CallAssigned)]
        assert (moves, len(told)) == ([UUID(guest["id"]), None], 3)
