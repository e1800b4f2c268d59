"""What the kills are judged by notices each thing that must not be left: one defect at a time, planted by hand."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from support.database import superuser
from support.hotel import Hotel, expect, found
from support.machine import Machine, wait_until
from support.recording_load import Heard, Kept, Load
from support.recording_verdict import findings, settled, unsettled
from support.recordings import SERVICE, objects, play, record, wav
from support.turns import turner

LENGTH = 100_000


@pytest.fixture(scope="module")
def plover(stack: Machine) -> Iterator[Hotel]:
    """A hotel of which nothing else is judged."""
    with found(stack, "Plover Lodge") as hotel:
        yield hotel


@pytest.fixture
async def load(stack: Machine, plover: Hotel) -> Load:
    """A run in which one recording was made and played, and another one deleted."""
    made = Load(stack, [plover], random.Random(1))
    for seed in (1, 2):
        told = await asyncio.to_thread(record, plover, wav(LENGTH, seed))
        made.sources[told["sha256"]] = LENGTH, seed
        made.kept[told["id"]] = Kept(plover, told["id"], told["call_id"], told["sha256"])
    expect(plover.agent.delete(f"/v1/recordings/{told['id']}"), 202)
    made.kept[told["id"]].doomed, made.kept[told["id"]].gone = "delete", True
    there = next(iter(made.kept))
    heard = expect(await asyncio.to_thread(play, plover.agent, there), 200)
    made.heard.append(Heard(there, heard.headers["access-event"], heard.headers["x-request-id"], whole=True))
    await settled(stack, [plover])
    return made


@pytest.fixture
async def still(stack: Machine, load: Load) -> AsyncIterator[Load]:
    """The same, and nobody who would mend what is planted."""
    await asyncio.to_thread(stack.stop, SERVICE)
    yield load

    def serves() -> bool:
        return load.hotels[0].viewer.get("/v1/recordings").status_code == 200

    await asyncio.to_thread(stack.start, SERVICE)
    await asyncio.to_thread(wait_until, serves, within=90, what=SERVICE)


def _forget(load: Load) -> None:
    load.sources.clear()
    load.sources["00" * 32] = LENGTH, 3


def _other_bytes(load: Load) -> None:
    load.sources.update(dict.fromkeys(load.sources, (LENGTH, 3)))


def _lose(load: Load) -> None:
    unknown = replace(next(iter(load.kept.values())), recording_id=str(uuid4()))
    load.kept[unknown.recording_id] = unknown


def _end(load: Load) -> None:
    next(iter(load.kept.values())).gone = True


def _remove(load: Load) -> None:
    unknown = replace(next(iter(load.kept.values())), recording_id=str(uuid4()), doomed="delete", gone=True)
    load.kept[unknown.recording_id] = unknown


def _unaccounted(load: Load) -> None:
    load.heard.append(replace(load.heard[0], event=str(uuid4())))


def _unended(load: Load) -> None:
    load.heard.append(replace(load.heard[0], request_id=str(uuid4())))


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_forget, "nobody uploaded it"),
        (_other_bytes, "does not play as it was uploaded"),
        (_lose, "acknowledged and lost"),
        (_end, "ended and still there"),
        (_remove, "removed [] in the log"),
        (_unaccounted, "admitted 0 times"),
        (_unended, "ended 0 times"),
    ],
)
async def test_what_was_acknowledged_is_otherwise(load: Load, plant: Callable[[Load], None], told: str) -> None:
    assert await findings(load) == []
    plant(load)
    assert any(told in line for line in await findings(load))


@contextmanager
def _planted(load: Load) -> Iterator[None]:
    first, second = objects(load.stack, next(iter(load.kept)))
    stray = first.parent.with_name(str(uuid4())) / "000000"
    stray.parent.mkdir()
    stray.write_bytes(b"an orphan")
    first.with_name("000000#1").write_bytes(b"half-written")
    whole = second.read_bytes()
    second.write_bytes(whole[:-1])
    yield
    second.write_bytes(whole)
    first.with_name("000000#1").unlink()
    stray.unlink()
    stray.parent.rmdir()


ROWS = {
    "degraded": (
        "UPDATE recording SET is_degraded = true WHERE client_id = $1",
        "UPDATE recording SET is_degraded = false WHERE client_id = $1",
    ),
    "expired": (
        "UPDATE recording SET created_at = created_at - interval '100 years' WHERE client_id = $1",
        "UPDATE recording SET created_at = created_at + interval '100 years' WHERE client_id = $1",
    ),
    "uploads": (
        "INSERT INTO upload (client_id, recording_id, call_id) VALUES ($1, $1, $1)",
        "DELETE FROM upload WHERE client_id = $1",
    ),
    "removals": (
        (
            "INSERT INTO removal (client_id, recording_id, call_id, key_id, key_destroyed_at, destroyed_by)"
            " VALUES ($1, $1, $1, $1, now(), 'a test')"
        ),
        "DELETE FROM removal WHERE client_id = $1",
    ),
    "rows without a key, or keys without a row": (
        (
            "INSERT INTO recording SELECT client_id, gen_random_uuid(), call_id, guest_id, assigned_at, bytes, sha256,"
            " content_type, duration_ms, held_at, is_degraded, created_at FROM recording WHERE client_id = $1"
        ),
        (
            "DELETE FROM recording r WHERE client_id = $1"
            " AND NOT EXISTS (SELECT FROM recording_key k WHERE k.recording_id = r.recording_id)"
        ),
    ),
}


async def test_something_is_still_to_be_done(stack: Machine, still: Load) -> None:
    assert not any((await unsettled(stack, still.hotels)).values())
    with _planted(still):
        # The orphan, the half-written file, and one of another length: that one is wanted, and another is there.
        assert (await unsettled(stack, still.hotels))["objects"] == 4
    async with superuser(stack, SERVICE) as connection:
        for kind, (plant, mend) in ROWS.items():
            await connection.execute(plant, still.hotels[0].client_id)
            assert (await unsettled(stack, still.hotels))[kind] >= 1, kind
            await connection.execute(mend, still.hotels[0].client_id)
    async with turner(stack.stack) as session:
        await session.write(f"transit/{SERVICE}/keys/{still.hotels[0].client_id}/rotate")
    assert (await unsettled(stack, still.hotels))["old keys"] >= 1
