"""02.2, invariant 6: when Kafka's data is wiped, `auth.clients` names every client again, with its newest state.

A service that comes later, or had not read yet, learns of all clients from that topic and from nowhere else.
"""

import shutil
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord

from events.client import ClientChanged, client_event_of
from support.bus import await_record
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until

TOPIC = "auth.clients"


def _wipe_kafka(stack: Machine) -> None:
    """Kafka down, its data gone, Kafka up: step 3 of docs/runbooks/kafka-wiped.md for Kafka alone."""
    stack.stop("kafka")
    folder = stack.stack.folder("kafka")
    assert folder.is_dir()
    for data in [path for path in folder.iterdir() if path.is_dir()]:
        shutil.rmtree(data)


async def _told(stack: Machine, client_id: UUID, days: int) -> ClientChanged:
    def fits(record: ConsumerRecord) -> bool:
        return bool(record.key == str(client_id).encode() and f'"transcripts_days":{days}'.encode() in record.value)

    said = client_event_of((await await_record(stack, "audit", TOPIC, fits, within=40)).value)
    assert isinstance(said, ClientChanged)
    return said


async def _known(stack: Machine, client_id: UUID) -> int | None:
    async with superuser(stack, "tenant_data") as connection:
        days: int | None = await connection.fetchval(
            "SELECT transcripts_days FROM client WHERE client_id = $1", client_id
        )
    return days


@pytest.mark.parametrize("is_auth_up", [True, False], ids=["auth saw it", "auth was down"])
async def test_every_client_is_told_again(stack: Machine, otter: Hotel, heron: Hotel, *, is_auth_up: bool) -> None:
    days = {otter.client_id: 41 if is_auth_up else 43, heron.client_id: 42 if is_auth_up else 44}
    for hotel in (otter, heron):
        retention = {"settings": {"retention": {"transcripts_days": days[hotel.client_id]}}}
        expect(hotel.admin.patch("/v1/clients/me", json=retention), 200)
        await _told(stack, hotel.client_id, days[hotel.client_id])

    if not is_auth_up:
        stack.stop("auth")
    _wipe_kafka(stack)
    stack.up()

    for hotel in (otter, heron):
        said = await _told(stack, hotel.client_id, days[hotel.client_id])
        assert said.name == hotel.name
        assert await _known(stack, hotel.client_id) == days[hotel.client_id]
        _is_in_the_log(hotel)


def _is_in_the_log(hotel: Hotel) -> None:
    def is_there() -> bool:
        answer = hotel.admin.get("/v1/access-events", params={"actor_id": "auth", "action": "client:read"})
        return answer.status_code == 200 and bool(answer.json()["items"])

    wait_until(is_there, within=20, what="the entry in the client's own log")
