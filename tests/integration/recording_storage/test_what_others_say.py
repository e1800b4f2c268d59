"""03.1: what auth and tenant_data say is taken as it was said last, from them alone; a repetition changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from events.call import CallAssigned, CallDeleted
from events.client import ClientChanged, ClientOffboarded, ClientRegistered, ClientSettings, Retention
from events.event import Event
from events.guest import GuestErased
from recording_storage import consumers, retention
from recording_storage.consumers import CALLS, CLIENTS, DAYS_OF_A_NEW_CLIENT, GUESTS, Misattributed
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import SERVICE, inside, objects, record, rows

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def message(topic: str, payload: bytes, key: UUID) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, 0, 0, 0, str(key).encode(), payload, None, 0, len(payload), [])


async def learn(stack: Machine, key: UUID, *said: Event | bytes) -> None:
    """These, in one batch for each topic, under this key."""
    async with inside(stack) as parts:
        jobs = parts.door.pools.job
        handlers = {
            CLIENTS: consumers.learn_clients(jobs),
            CALLS: consumers.learn_calls(jobs, lambda: None),
            GUESTS: consumers.learn_guests(jobs, lambda: None),
        }
        for one in said:
            topic, payload = (CALLS, one) if isinstance(one, bytes) else (_topic(one), one.payload().encode())
            await handlers[topic]([message(topic, payload, key)])


def _topic(event: Event) -> str:
    return {"Cal": CALLS, "Gue": GUESTS, "Cli": CLIENTS}[type(event).__name__[:3]]


def state(kind: type[ClientRegistered | ClientChanged], client_id: UUID, days: int, at: datetime) -> Event:
    settings = ClientSettings(
        totp_required=False,
        session_idle_seconds=3600,
        session_absolute_seconds=86400,
        retention=Retention(recordings_days=days, transcripts_days=1),
    )
    return kind(client_id=client_id, name="Heron Inn", plan="pro", settings=settings, at=at)


async def known(stack: Machine, client_id: UUID) -> tuple[Any, Any] | None:
    found = await rows(stack, "client", client_id)
    return (found[0]["recordings_days"], found[0]["closed_at"]) if found else None


async def guest_of(stack: Machine, recording_id: str) -> UUID | None:
    async with superuser(stack, SERVICE) as connection:
        guest_id: UUID | None = await connection.fetchval(
            "SELECT guest_id FROM recording WHERE recording_id = $1", UUID(recording_id)
        )
    return guest_id


async def planted(stack: Machine, client_id: UUID) -> UUID:
    """A recording that was made now, of a client whom nobody can sign in to any more; nothing is stored of it."""
    recording_id = uuid4()
    async with superuser(stack, SERVICE) as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO recording (client_id, recording_id, call_id, bytes, sha256, content_type, duration_ms,"
            " created_at) VALUES ($1, $2, $3, 1, sha256(''), 'audio/wav', 1, now())",
            client_id,
            recording_id,
            uuid4(),
        )
        await connection.execute(
            "INSERT INTO recording_key (client_id, recording_id, key_id, wrapped, key_version)"
            " VALUES ($1, $2, $3, 'vault:v1:planted', 1)",
            client_id,
            recording_id,
            uuid4(),
        )
    return recording_id


@pytest.mark.parametrize(
    "said",
    [
        CallDeleted(client_id=uuid4(), call_id=uuid4(), at=NOW),
        CallAssigned(client_id=uuid4(), call_id=uuid4(), guest_id=None, at=NOW),
        GuestErased(client_id=uuid4(), guest_id=uuid4(), at=NOW),
        ClientOffboarded(client_id=uuid4(), at=NOW),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_news_under_another_ones_key(stack: Machine, said: Any) -> None:
    with pytest.raises(Misattributed):
        await learn(stack, uuid4(), said)
    assert await rows(stack, "tombstone", said.client_id) == []
    assert await known(stack, said.client_id) is None


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"event": "GuestErased"}', b"\xff"])
async def test_what_is_none_of_theirs(stack: Machine, payload: bytes) -> None:
    with pytest.raises(ValidationError):
        await learn(stack, uuid4(), payload)


class TestClients:
    async def test_older_news_changes_nothing(self, stack: Machine) -> None:
        client_id = uuid4()
        changed = state(ClientChanged, client_id, 7, NOW)
        await learn(stack, client_id, changed, changed, state(ClientRegistered, client_id, 30, NOW - timedelta(days=1)))
        assert await known(stack, client_id) == (7, None)
        await learn(stack, client_id, state(ClientChanged, client_id, 90, NOW + timedelta(seconds=1)))
        assert await known(stack, client_id) == (90, None)

    async def test_who_has_left(self, stack: Machine) -> None:
        client_id = uuid4()
        await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW))
        await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW + timedelta(days=1)))
        assert await known(stack, client_id) == (DAYS_OF_A_NEW_CLIENT, NOW)

    @pytest.mark.parametrize("kind", [ClientRegistered, ClientChanged])
    async def test_its_days_are_learnt_after_it_has_left(self, stack: Machine, kind: Any) -> None:
        """The topic is compacted: who reads it anew may hear of the leaving first, and of all before it later."""
        client_id = uuid4()
        await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW))
        await learn(stack, client_id, state(kind, client_id, 30, NOW - timedelta(days=400)))
        assert await known(stack, client_id) == (30, NOW)
        await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW))
        assert await known(stack, client_id) == (30, NOW)

    async def test_what_one_that_has_left_keeps_expires(self, stack: Machine) -> None:
        """Nothing else is known of it: its recordings are not kept for ever."""
        client_id = uuid4()
        await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW))
        recording_id = await planted(stack, client_id)
        async with inside(stack, timedelta(days=DAYS_OF_A_NEW_CLIENT, seconds=-60)) as earlier:
            await retention.sweep_expired(earlier.door)
        assert [row["recording_id"] for row in await rows(stack, "recording", client_id)] == [recording_id]
        async with inside(stack, timedelta(days=DAYS_OF_A_NEW_CLIENT, seconds=60)) as later:
            await retention.sweep_expired(later.door)
        assert await rows(stack, "recording", client_id) == []

    def test_an_administrators_change_arrives(self, stack: Machine, heron: Hotel) -> None:
        told = record(heron)
        expect(heron.admin.patch("/v1/clients/me", json={"settings": {"retention": {"recordings_days": 123}}}), 200)

        def days() -> int:
            now = heron.agent.get(f"/v1/recordings/{told['id']}").json()
            if now["expires_at"] is None:
                return 0
            return (datetime.fromisoformat(now["expires_at"]) - datetime.fromisoformat(now["created_at"])).days

        wait_until(lambda: days() == 123, within=60, what="the change of retention")


class TestCalls:
    async def test_another_clients_call_of_the_same_id(self, stack: Machine, otter: Hotel, heron: Hotel) -> None:
        told = record(otter)
        await learn(
            stack, heron.client_id, CallDeleted(client_id=heron.client_id, call_id=UUID(told["call_id"]), at=NOW)
        )
        async with inside(stack) as parts:
            await retention.sweep_deleted(parts.door)
        expect(otter.agent.get(f"/v1/recordings/{told['id']}"), 200)

    async def test_a_deleted_calls_recordings_go(self, stack: Machine, otter: Hotel) -> None:
        told, other = record(otter), record(otter)
        gone = CallDeleted(client_id=otter.client_id, call_id=UUID(told["call_id"]), at=NOW)
        await learn(stack, otter.client_id, gone, gone)
        expect(otter.agent.get(f"/v1/recordings/{told['id']}"), 404)
        wait_until(lambda: not objects(stack, told["id"]), within=30, what="the erasing of its objects")
        expect(otter.agent.get(f"/v1/recordings/{other['id']}"), 200)
        asked = {"action": "recording:delete", "resource_type": "recording", "resource_id": told["id"]}
        wait_until(lambda: len(otter.log(**asked)) == 2, within=60, what="both entries")
        assert {entry["reason"].startswith("call deleted") for entry in otter.log(**asked)} == {True, False}

    async def test_whose_it_is_now(self, stack: Machine, otter: Hotel) -> None:
        told, first, second = record(otter), uuid4(), uuid4()

        def assigned(guest_id: UUID | None, at: datetime) -> CallAssigned:
            return CallAssigned(client_id=otter.client_id, call_id=UUID(told["call_id"]), guest_id=guest_id, at=at)

        await learn(stack, otter.client_id, assigned(first, NOW))
        assert await guest_of(stack, told["id"]) == first
        await learn(stack, otter.client_id, assigned(second, NOW + timedelta(seconds=2)))
        await learn(stack, otter.client_id, assigned(first, NOW + timedelta(seconds=1)))
        assert await guest_of(stack, told["id"]) == second
        await learn(stack, otter.client_id, assigned(None, NOW + timedelta(seconds=3)))
        assert await guest_of(stack, told["id"]) is None
