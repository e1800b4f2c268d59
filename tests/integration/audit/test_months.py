"""04.4: the log always has its months, by the injected clock; rows that came before theirs stay where they are."""

import asyncio
from datetime import UTC, datetime, timedelta

from audit import months, store
from events.access import PLATFORM, AccessEvent, Action, Actor, new_salt
from events.uuid7 import uuid7
from guard.clock import Clock
from support.database import superuser
from support.machine import Machine
from support.workload import door

FAR = datetime(2047, 6, 15, tzinfo=UTC)


async def partitions(stack: Machine) -> set[str]:
    async with superuser(stack, "audit") as connection:
        rows = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")
    return {row["name"] for row in rows if not row["name"].endswith("_idx") and not row["name"].endswith("_pkey")}


async def test_thirteen_back_and_three_ahead(stack: Machine) -> None:
    names = await partitions(stack)
    now = datetime.now(UTC)
    for months_away in range(-13, 4):
        year, month = divmod(now.year * 12 + now.month - 1 + months_away, 12)
        assert {f"access_event_{year}_{month + 1:02}", f"access_event_resource_{year}_{month + 1:02}"} <= names


async def test_moving_the_clock_makes_the_months_of_that_day(stack: Machine) -> None:
    async with door(stack, "audit") as audit:
        clock = Clock(timedelta(days=400))
        ahead = clock.now().strftime("access_event_%Y_%m")
        task = asyncio.create_task(months.keep_ahead(audit.pools.job, clock))
        try:
            for _ in range(100):
                if ahead in await partitions(stack):
                    break
                await asyncio.sleep(0.1)
            assert ahead in await partitions(stack)
        finally:
            task.cancel()


async def test_a_month_whose_rows_came_early_is_not_in_the_way_of_the_others(stack: Machine) -> None:
    event = AccessEvent(
        event_id=uuid7(FAR),
        occurred_at=FAR,
        service="tenant_data",
        client_id=PLATFORM,
        actor=Actor(type="service", id="test", label="test"),
        action=Action.GUEST_READ,
        ip="",
        request_id="test",
        salt=new_salt(),
    )
    async with door(stack, "audit") as audit, audit.pools.job.acquire() as connection:
        await store.insert_events(connection, [event])
        await store.make_months(connection, FAR)
        assert await store.make_months(connection, FAR) == 0
    names = await partitions(stack)
    assert "access_event_2047_06" not in names
    assert {"access_event_2047_05", "access_event_2047_07"} <= names
