"""03.1: what `auth` tells of a client is kept as it was told last, however often and in whatever order it comes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from events.client import ClientChanged, ClientOffboarded, ClientRegistered, ClientSettings, Retention
from events.event import Event
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.workload import door
from tenant_data.consumers import CLIENTS, Misattributed, learn_clients

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def record(payload: bytes, key: UUID) -> ConsumerRecord:
    return ConsumerRecord(CLIENTS, 0, 0, 0, 0, str(key).encode(), payload, None, 0, len(payload), [])


def state(kind: type[ClientRegistered | ClientChanged], client_id: UUID, days: int, at: datetime) -> Event:
    settings = ClientSettings(
        totp_required=False,
        session_idle_seconds=3600,
        session_absolute_seconds=86400,
        retention=Retention(recordings_days=1, transcripts_days=days),
    )
    return kind(client_id=client_id, name="Heron Inn", plan="pro", settings=settings, at=at)


async def known(stack: Machine, client_id: UUID) -> dict[str, Any] | None:
    async with superuser(stack, "tenant_data") as connection:
        row = await connection.fetchrow(
            "SELECT transcripts_days, closed_at FROM client WHERE client_id = $1", client_id
        )
    return dict(row) if row else None


async def learn(stack: Machine, client_id: UUID, *events: Event) -> None:
    async with door(stack, "tenant_data") as opened:
        await learn_clients(opened.pools.job)([record(event.payload().encode(), client_id) for event in events])


async def test_a_batch_with_something_else_in_it_is_kept_out_whole(stack: Machine) -> None:
    client_id = uuid4()
    told = record(state(ClientRegistered, client_id, 30, NOW).payload().encode(), client_id)
    async with door(stack, "tenant_data") as opened:
        for other in (b"", b"{}", b'{"event": "GuestErased"}', b"\xff"):
            with pytest.raises(ValidationError):
                await learn_clients(opened.pools.job)([told, record(other, client_id)])
    assert await known(stack, client_id) is None


async def test_news_under_another_ones_key(stack: Machine) -> None:
    client_id = uuid4()
    with pytest.raises(Misattributed):
        await learn(stack, uuid4(), state(ClientRegistered, client_id, 30, NOW))
    assert await known(stack, client_id) is None


async def test_older_news_changes_nothing(stack: Machine) -> None:
    client_id = uuid4()
    changed = state(ClientChanged, client_id, 7, NOW)
    await learn(stack, client_id, changed, changed, state(ClientRegistered, client_id, 30, NOW - timedelta(days=1)))
    assert await known(stack, client_id) == {"transcripts_days": 7, "closed_at": None}


async def test_newer_news_does(stack: Machine) -> None:
    client_id = uuid4()
    await learn(stack, client_id, state(ClientRegistered, client_id, 30, NOW))
    await learn(stack, client_id, state(ClientChanged, client_id, 7, NOW + timedelta(seconds=1)))
    assert await known(stack, client_id) == {"transcripts_days": 7, "closed_at": None}


async def test_who_has_left_stays_away(stack: Machine) -> None:
    client_id = uuid4()
    left = ClientOffboarded(client_id=client_id, at=NOW)
    await learn(stack, client_id, state(ClientRegistered, client_id, 30, NOW - timedelta(days=1)), left)
    await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW + timedelta(days=1)))
    await learn(stack, client_id, state(ClientChanged, client_id, 30, NOW - timedelta(hours=1)))
    assert await known(stack, client_id) == {"transcripts_days": 30, "closed_at": NOW}


async def test_of_one_who_left_before_anything_else_was_heard(stack: Machine) -> None:
    client_id = uuid4()
    await learn(stack, client_id, ClientOffboarded(client_id=client_id, at=NOW))
    assert await known(stack, client_id) == {"transcripts_days": None, "closed_at": NOW}


async def test_an_administrators_change_arrives(stack: Machine, heron: Hotel) -> None:
    body = {"settings": {"retention": {"transcripts_days": 111}}}
    expect(heron.admin.patch("/v1/clients/me", json=body), 200)
    async with superuser(stack, "tenant_data") as connection:
        for _ in range(100):
            days = await connection.fetchval(
                "SELECT transcripts_days FROM client WHERE client_id = $1", heron.client_id
            )
            if days == 111:
                return
            await connection.execute("SELECT pg_sleep(0.1)")
    raise AssertionError("the change of retention did not arrive within 10 s")
