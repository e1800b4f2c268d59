"""01.3, 03.1: what was deleted in a month costs neither a sweep nor a list; what is still to go is not missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.access import Action
from guard.database import Connection
from recording_storage import hold
from recording_storage.routes import NEWEST
from recording_storage.store import call, guest, recording, removal, upload
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import SERVICE, inside, record, rows, standing
from support.workload import caller

SETTLED = 20_000
OPEN = 3000
MANY = 1_000_000
NONE = UUID(int=0)
STRANGER = uuid4()  # a client of nothing but deletions
TURN = 1000  # removals, or dead uploads, that one turn looks at


class Looked(Exception):
    """All was seen."""


@pytest.fixture
async def deleted(stack: Machine) -> AsyncIterator[None]:
    """Calls and guests that were deleted in a while, all of them settled, beside recordings of calls that live.

    The service stands still.
    """
    async with superuser(stack, SERVICE) as connection:
        with standing(stack):
            await connection.execute(
                "INSERT INTO tombstone (client_id, kind, subject_id, settled_at)"
                " SELECT $1, kind, gen_random_uuid(), now()"
                "   FROM generate_series(1, $2), unnest('{call,guest}'::text[]) kind",
                STRANGER,
                SETTLED,
            )
            await connection.execute(
                "INSERT INTO recording (client_id, recording_id, call_id, bytes, sha256, content_type, duration_ms,"
                " created_at) SELECT $1, gen_random_uuid(), gen_random_uuid(), 1, sha256(''), 'audio/wav', 1, now()"
                "   FROM generate_series(1, $2)",
                STRANGER,
                SETTLED,
            )
            await connection.execute("ANALYZE tombstone, recording")
            try:
                yield
            finally:
                for table in ("tombstone", "recording"):
                    await connection.execute(f"DELETE FROM {table} WHERE client_id = $1", STRANGER)


async def _read(connection: Connection) -> int:
    """How many tombstones this session has read until now, in the table and in its indexes."""
    counted: int = await connection.fetchval(
        "SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint"
        "  FROM pg_class"
        " WHERE oid = 'tombstone'::regclass"
        "    OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'tombstone'::regclass)"
    )
    return counted


async def looked_at(stack: Machine) -> int:
    """How many tombstones the sweep, the inquiry and the pruning read for one look at everything."""
    async with inside(stack) as parts, parts.door.pools.job.acquire() as connection, connection.transaction():
        before = await _read(connection)
        await call.open_calls(connection, (NONE, NONE), MANY)
        await guest.open_guests(connection, MANY)
        await call.prune_tombstones(connection, 30)
        return await _read(connection) - before


async def is_settled(stack: Machine, hotel: Hotel, told: dict[str, Any]) -> bool:
    found = await rows(stack, "tombstone", hotel.client_id)
    return any(row["settled_at"] is not None for row in found if row["subject_id"] == UUID(told["call_id"]))


async def is_gone(stack: Machine, hotel: Hotel, told: dict[str, Any]) -> bool:
    return UUID(told["id"]) not in {row["recording_id"] for row in await rows(stack, "recording", hotel.client_id)}


async def until(is_so: Any, *about: Any) -> None:
    async with asyncio.timeout(60):
        while not await is_so(*about):  # noqa: ASYNC110 - another database has no event to wait for
            await asyncio.sleep(0.1)


async def test_what_is_settled_is_not_read(stack: Machine, deleted: None) -> None:
    assert await looked_at(stack) < OPEN
    async with superuser(stack, SERVICE) as connection:
        await connection.execute(
            "UPDATE tombstone SET settled_at = NULL WHERE ctid = ANY(ARRAY("
            " SELECT ctid FROM tombstone WHERE client_id = $1 AND kind = 'call' LIMIT $2))",
            STRANGER,
            OPEN,
        )
    assert await looked_at(stack) >= OPEN  # the control: what is open is read, and is counted here


async def test_a_page_of_a_list_looks_up_what_it_shows(stack: Machine, deleted: None) -> None:
    async with inside(stack) as parts:
        before = after = 0
        with suppress(Looked):
            async with parts.door.entry().open(caller(STRANGER), Action.RECORDING_LIST) as access:
                before = await _read(access.connection)
                assert len(await recording.list_recordings(access, NEWEST, 50)) == 51
                after = await _read(access.connection)
                raise Looked  # of a client that nobody knows: no entry
        assert after - before < OPEN


async def test_no_client_fills_a_turn_of_the_others(stack: Machine) -> None:
    """As whose folder a zone does not let go of: what is still to be erased of it is older, and more than a turn."""
    many, other = uuid4(), uuid4()
    async with inside(stack) as parts, superuser(stack, SERVICE) as connection:
        with standing(stack):
            try:
                for client_id, count, age in ((many, TURN + 1, timedelta(hours=2)), (other, 1, timedelta(hours=1))):
                    await connection.execute(
                        "INSERT INTO removal (client_id, recording_id, call_id, key_id, key_destroyed_at, destroyed_by)"
                        " SELECT $1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now() - $3::interval, 'x'"
                        "   FROM generate_series(1, $2)",
                        client_id, count, age,
                    )  # fmt: skip
                    await connection.execute(
                        "INSERT INTO upload (client_id, recording_id, call_id, state, beat_at)"
                        " SELECT $1, gen_random_uuid(), gen_random_uuid(), 'abandoned', now() - $3::interval"
                        "   FROM generate_series(1, $2)",
                        client_id, count, age,
                    )  # fmt: skip
                async with parts.door.pools.job.acquire() as job:
                    for looked_at in (await removal.waiting_removals(job), await upload.dead_uploads(job, 60.0)):
                        assert len(looked_at) == TURN
                        assert {row["client_id"] for row in looked_at} >= {many, other}
            finally:
                for table in ("removal", "upload"):
                    await connection.execute(f"DELETE FROM {table} WHERE client_id IN ($1, $2)", many, other)


async def test_what_cannot_go_yet_is_not_settled(stack: Machine, otter: Hotel) -> None:
    gone, locked = record(otter), record(otter)
    async with superuser(stack, SERVICE) as connection, connection.transaction():
        await connection.execute("SELECT FROM recording WHERE recording_id = $1 FOR UPDATE", UUID(locked["id"]))
        for told in (locked, gone):
            expect(otter.agent.delete(f"/v1/calls/{told['call_id']}"), 204)
        await until(is_settled, stack, otter, gone)
        assert await is_gone(stack, otter, gone)
        assert not await is_settled(stack, otter, locked)
    await until(is_gone, stack, otter, locked)
    await until(is_settled, stack, otter, locked)


async def test_a_lifted_hold_opens_its_call(stack: Machine, otter: Hotel) -> None:
    told = record(otter)
    path = f"/v1/recordings/{told['id']}/legal-hold"
    expect(otter.admin.put(path, json={"reason": "case 47"}), 200)
    expect(otter.agent.delete(f"/v1/calls/{told['call_id']}"), 200, 204)
    await until(is_settled, stack, otter, told)
    expect(otter.agent.get(f"/v1/recordings/{told['id']}"), 200)
    expect(otter.admin.request("DELETE", path, json={"reason": "case 47 is closed"}), 204)
    await until(is_gone, stack, otter, told)
    await until(is_settled, stack, otter, told)


async def test_a_hold_that_is_lifted_meanwhile_is_seen(stack: Machine, otter: Hotel) -> None:
    told = record(otter)
    call_id = UUID(told["call_id"])
    expect(otter.admin.put(f"/v1/recordings/{told['id']}/legal-hold", json={"reason": "case 47"}), 200)
    admin = caller(otter.client_id)
    with standing(stack):
        async with inside(stack) as parts, parts.door.pools.job.acquire() as job:
            async with job.transaction():
                await call.bury_call(job, otter.client_id, call_id)
            async with parts.door.entry().open(admin, Action.RECORDING_RELEASE) as access:
                await hold.lift(access, UUID(told["id"]), "case 47 is closed")
                settling = asyncio.create_task(_settle(job, otter.client_id, call_id))
                await until(_somebody_waits, stack)
            await settling
        assert not await is_settled(stack, otter, told)
    await until(is_gone, stack, otter, told)


async def _settle(job: Connection, client_id: UUID, call_id: UUID) -> None:
    async with job.transaction():
        await call.settle_calls(job, client_id, [call_id])


async def _somebody_waits(stack: Machine) -> bool:
    """For a tombstone that is being changed."""
    async with superuser(stack, SERVICE) as connection:
        waits: bool = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '%tombstone%')"
        )
    return waits
