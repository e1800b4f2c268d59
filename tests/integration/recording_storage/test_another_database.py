"""01.3: a database that is older than its zones erases nothing for a day, one that does not know them nothing at all.

Whoever restored the wrong one brings back the right one, and all plays as before.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from guard import errors
from recording_storage import adoption, leftover
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB, SERVICE, Inside, inside, objects, play, record, rows, send, wav

AUDIO = wav(MIB)
TABLES = ("recording", "recording_key")
DAY = timedelta(days=1)


async def _take(connection: asyncpg.Connection, table: str, recording_id: str) -> list[Any]:
    return await connection.fetch(f"SELECT * FROM {table} WHERE recording_id = $1", UUID(recording_id))


@asynccontextmanager
async def _older(stack: Machine, recording_id: str) -> AsyncIterator[dict[str, list[Any]]]:
    """The database of before this recording, inside the block, and what is in the zones is of three days ago; the rows
    that come back after it.
    """
    for path in objects(stack, recording_id):
        os.utime(path, (time.time() - 3 * DAY.total_seconds(),) * 2)
    async with superuser(stack, SERVICE) as connection:
        kept = {table: await _take(connection, table, recording_id) for table in TABLES}
        for table in reversed(TABLES):
            await connection.execute(f"DELETE FROM {table} WHERE recording_id = $1", UUID(recording_id))
        try:
            yield kept
        finally:
            for table, known in kept.items():
                await connection.copy_records_to_table(table, records=[tuple(row) for row in known])


async def _hours(parts: Inside, recording_id: str, hours: range) -> list[bool]:
    """Whether it was found to be nobody's, at each of these hours from now on."""
    found = []
    for hour in hours:
        parts.door.clock.shift = timedelta(hours=hour)
        differences = await parts.compared(DAY)
        found.append(any(one.kind == "orphan" and recording_id in one.path for one in differences))
    return found


async def test_an_older_database_erases_nothing_for_a_day(stack: Machine, otter: Hotel) -> None:
    told = record(otter, AUDIO)
    async with inside(stack) as parts:
        async with _older(stack, told["id"]):
            assert await _hours(parts, told["id"], range(0, 24, 2)) == [True] * 12
            assert len(objects(stack, told["id"])) == 2
            [row] = await rows(stack, "orphan", otter.client_id)
            assert row["seen_again_at"] - row["seen_at"] > timedelta(hours=21)
        # The right one is back: it is nobody's orphan any more, and of the day nothing counts.
        assert await _hours(parts, told["id"], range(24, 26)) == [False] * 2
        assert await rows(stack, "orphan", otter.client_id) == []
        assert expect(play(otter.agent, told["id"]), 200).content == AUDIO
        async with _older(stack, told["id"]) as kept:
            assert await _hours(parts, told["id"], range(26, 48, 2)) == [True] * 11
            assert len(objects(stack, told["id"])) == 2
            await _hours(parts, told["id"], range(48, 52, 2))
            assert objects(stack, told["id"]) == []
            kept.clear()  # nobody brings it back


async def test_what_was_still_coming_in_when_the_backup_was_made(stack: Machine, otter: Hotel) -> None:
    """To that backup it is an upload that fell silent: it is let go of, and not erased."""
    told = record(otter, AUDIO)
    async with inside(stack) as parts, _older(stack, told["id"]), superuser(stack, SERVICE) as connection:
        await connection.execute(
            "INSERT INTO upload (client_id, recording_id, call_id, state, beat_at)"
            " VALUES ($1, $2, $3, 'running', now() - interval '1 day')",
            otter.client_id, UUID(told["id"]), UUID(told["call_id"]),
        )  # fmt: skip
        await leftover.sweep(parts.door, parts.zones, 60.0)
        assert told["id"] not in {str(row["recording_id"]) for row in await rows(stack, "upload", otter.client_id)}
        assert len(objects(stack, told["id"])) == 2
    assert expect(play(otter.agent, told["id"]), 200).content == AUDIO


async def test_the_orphans_of_a_restored_backup_begin_their_day_anew(stack: Machine, otter: Hotel) -> None:
    told = record(otter, AUDIO)
    now = datetime.now(UTC)
    async with inside(stack) as parts, _older(stack, told["id"]), superuser(stack, SERVICE) as connection:
        await connection.execute(
            "INSERT INTO orphan VALUES ($1, $2, $3, $4)",
            otter.client_id, UUID(told["id"]), now - 3 * DAY, now - 2 * DAY,
        )  # fmt: skip
        assert await _hours(parts, told["id"], range(0, 24, 2)) == [True] * 12
        assert len(objects(stack, told["id"])) == 2


@asynccontextmanager
async def _empty(stack: Machine) -> AsyncIterator[None]:
    """A database that has never taken a zone into use, as far as it says."""
    async with superuser(stack, SERVICE) as connection:
        names = await connection.fetch("SELECT name, adopted_at FROM zone")
        set_id = await connection.fetchval("SELECT set_id FROM zone_set")
        async with connection.transaction():
            await connection.execute("UPDATE zone_set SET set_id = $1", uuid4())
            await connection.execute("DELETE FROM zone")
        try:
            yield
        finally:
            async with connection.transaction():
                await connection.execute("UPDATE zone_set SET set_id = $1", set_id)
                await connection.copy_records_to_table("zone", records=[tuple(row) for row in names])


async def test_a_database_that_does_not_know_the_zones_refuses_and_erases_nothing(stack: Machine, otter: Hotel) -> None:
    told, call_id = record(otter, AUDIO), otter.call()["id"]

    def is_refused() -> bool:
        return send(otter.agent, call_id, AUDIO).status_code == 503

    def is_taken() -> bool:
        return send(otter.agent, call_id, AUDIO).status_code == 201

    async with inside(stack) as parts:
        async with _empty(stack), _older(stack, told["id"]):
            await asyncio.to_thread(wait_until, is_refused, within=30, every=1, what="the refusal of a running service")
            with pytest.raises(errors.Unavailable):
                await adoption.prepare(parts.door.pools.job, parts.zones)
            for hours in (0, 2, 25, 50):
                parts.door.clock.shift = timedelta(hours=hours)
                with pytest.raises(errors.Unavailable):
                    await parts.compared()
            assert len(objects(stack, told["id"])) == 2
            async with superuser(stack, SERVICE) as connection:
                assert await connection.fetch("SELECT name FROM zone") == []
        await asyncio.to_thread(wait_until, is_taken, within=30, every=1, what="an upload with the right database")
        assert expect(play(otter.agent, told["id"]), 200).content == AUDIO
        await adoption.prepare(parts.door.pools.job, parts.zones)
        assert [one for one in await parts.compared() if told["id"] in one.path] == []
