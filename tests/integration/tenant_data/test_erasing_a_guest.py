"""02.1, 04.4: erasing a guest takes its calls, transcripts, look-ups and key in one step, and names them all."""

import time
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from events.call import CallDeleted, call_event_of
from events.guest import GuestErased
from events.topic import TOPICS
from guard.kafka import Kafka
from support.bus import await_record
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.workload import certificate

WORDS = {"turns": [{"speaker": "guest", "text": "Goodbye."}]}


class TestRefused:
    def test_a_stale_version_erases_nothing(self, otter: Hotel) -> None:
        guest = otter.guest()
        call = otter.call(guest_id=guest["id"])
        expect(otter.agent.patch(f"/v1/guests/{guest['id']}", json={"notes": "x"}), 200)
        answer = otter.agent.delete(f"/v1/guests/{guest['id']}", headers={"If-Match": '"1"'})
        assert answer.status_code == 412
        assert otter.agent.get(f"/v1/guests/{guest['id']}").status_code == 200
        assert otter.agent.get(f"/v1/calls/{call['id']}").status_code == 200

    def test_twice(self, otter: Hotel) -> None:
        guest = otter.guest()
        expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
        assert otter.agent.delete(f"/v1/guests/{guest['id']}").status_code == 404

    def test_a_call_for_one_who_is_gone(self, otter: Hotel) -> None:
        guest = otter.guest()
        expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
        body = {"direction": "inbound", "started_at": "2026-11-01T10:00:00Z", "guest_id": guest["id"]}
        assert otter.agent.post("/v1/calls", json=body).status_code == 404


def test_everything_of_the_guest_goes_and_is_named(otter: Hotel) -> None:
    reference = str(uuid4())
    guest = otter.guest(external_ref=reference)
    calls = [otter.call(guest_id=guest["id"])["id"] for _ in range(3)]
    for call_id in calls[:2]:
        expect(otter.agent.put(f"/v1/calls/{call_id}/transcript", json=WORDS), 201)
    answer = expect(otter.agent.delete(f"/v1/guests/{guest['id']}", headers={"If-Match": '"1"'}), 202)
    assert answer.json() == {"id": guest["id"], "kept": []}

    event = otter.event(answer.headers["Access-Event"])
    assert (event["action"], event["outcome"]) == ("guest:delete", "allowed")
    assert {(resource["type"], resource["id"]) for resource in event["resources"]} == {
        ("guest", guest["id"]),
        *(("call", call_id) for call_id in calls),
        *(("transcript", call_id) for call_id in calls[:2]),
    }
    assert otter.agent.get(f"/v1/guests/{guest['id']}").status_code == 404
    for call_id in calls:
        assert otter.agent.get(f"/v1/calls/{call_id}").status_code == 404
        assert otter.agent.get(f"/v1/calls/{call_id}/transcript").status_code == 404
    assert otter.agent.post("/v1/guests/search", json={"external_ref": reference}).json()["items"] == []
    assert otter.agent.get("/v1/calls", params={"guest_id": guest["id"]}).json()["items"] == []


def test_nobody_else_is_touched(otter: Hotel) -> None:
    reference = str(uuid4())
    guest, other = otter.guest(external_ref=reference), otter.guest(external_ref=reference)
    call = otter.call(guest_id=other["id"])
    expect(otter.agent.put(f"/v1/calls/{call['id']}/transcript", json=WORDS), 201)
    expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
    found = otter.agent.post("/v1/guests/search", json={"external_ref": reference}).json()["items"]
    assert found == [other]
    assert otter.agent.get(f"/v1/calls/{call['id']}").json() == call
    assert otter.agent.get(f"/v1/calls/{call['id']}/transcript").status_code == 200


def test_a_guest_of_very_many_calls(otter: Hotel) -> None:
    guest = otter.guest()
    made = {otter.call(guest_id=guest["id"])["id"] for _ in range(60)}
    answer = expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
    named = otter.event(answer.headers["Access-Event"])["resources"]
    assert {resource["id"] for resource in named if resource["type"] == "call"} == made


@pytest.mark.parametrize("table", ["guest", "guest_index", "call", "transcript", "guard.subject_key"])
async def test_nothing_that_opens_is_left(stack: Machine, otter: Hotel, table: str) -> None:
    guest = otter.guest(external_ref=str(uuid4()))
    call = otter.call(guest_id=guest["id"])
    expect(otter.agent.put(f"/v1/calls/{call['id']}/transcript", json=WORDS), 201)
    count = (
        f"SELECT count(*) FROM {table} WHERE client_id = $1 AND to_jsonb({table.rpartition('.')[2]})::text ~ ANY($2)"
    )
    asked = (otter.client_id, [guest["id"], call["id"]])
    async with superuser(stack, "tenant_data") as connection:
        assert await connection.fetchval(count, *asked) > 0
        expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
        assert await connection.fetchval(count, *asked) == 0


async def test_of_a_deleted_call_without_a_guest_no_key_is_left(stack: Machine, otter: Hotel) -> None:
    call_id = otter.call()["id"]
    async with superuser(stack, "tenant_data") as connection:
        count = "SELECT count(*) FROM guard.subject_key WHERE client_id = $1 AND subject_id = $2"
        assert await connection.fetchval(count, otter.client_id, UUID(call_id)) == 1
        expect(otter.agent.delete(f"/v1/calls/{call_id}"), 204)
        assert await connection.fetchval(count, otter.client_id, UUID(call_id)) == 0


async def test_the_others_are_told(stack: Machine, otter: Hotel) -> None:
    guest = otter.guest()
    expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
    told = await heard(stack, UUID(guest["id"]))
    assert told.client_id == otter.client_id


async def test_the_others_are_told_of_each_of_its_calls(stack: Machine, otter: Hotel) -> None:
    guest = otter.guest()
    calls = [otter.call(guest_id=guest["id"])["id"] for _ in range(2)]
    expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
    for call_id in calls:
        told = await await_record(stack, "recording_storage", "tenant_data.calls", lambda r, c=call_id: names(r, c))
        assert told.key == str(otter.client_id).encode()
        assert isinstance(call_event_of(told.value), CallDeleted)


def names(record: ConsumerRecord, call_id: str) -> bool:
    return str(call_event_of(record.value).call_id) == call_id


async def heard(stack: Machine, guest_id: UUID) -> GuestErased:
    """The news of a guest's erasure, read as a reader of the topic may: with its own certificate."""
    topic = TOPICS["tenant_data.guests"]
    reader = Kafka(f"127.0.0.1:{stack.port_of('kafka')}", certificate(stack, "audit").client(), "audit").reader()
    await reader.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for records in (await reader.getmany(timeout_ms=500)).values():
                for record in records:
                    erased = GuestErased.model_validate_json(record.value)
                    if erased.guest_id == guest_id:
                        return erased
    finally:
        await reader.stop()
    raise AssertionError("nobody was told of the erasure within 15 s")
