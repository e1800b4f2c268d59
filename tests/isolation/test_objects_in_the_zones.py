"""02.1, 02.3: whoever can write both zones, and the row of a key too, still has no audio played in another's place.

The answer is an error, and not a byte of the audio that was put there.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from pentest.evidence import Probes
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine, wait_until
from support.recordings import MIB, SERVICE, objects, play, record, wav

PLAY = "GET /v1/recordings/{recording_id}/audio"
AUDIO = wav(2 * MIB, seed=1)


# Whose objects are put in the place of a hotel's recording, and whether the row of their key is, too.
CASES = {
    "another client's objects": (True, False),
    "another client's objects with their key": (True, True),
    "another recording's objects": (False, False),
    "another recording's objects with their key": (False, True),
}


def of(stack: Machine, told: dict[str, str]) -> dict[str, Path]:
    """Every object of a recording, by its zone and its number."""
    return {f"{path.parents[2].name}/{path.name}": path for path in objects(stack, told["id"])}


@contextmanager
def replaced(bodies: Mapping[Path, bytes]) -> Iterator[None]:
    kept = {path: path.read_bytes() for path in bodies}
    for path, body in bodies.items():
        path.write_bytes(body)
    try:
        yield
    finally:
        for path, body in kept.items():
            path.write_bytes(body)


def gave_nothing(answer: httpx2.Response, *audio: bytes) -> bool:
    return answer.status_code >= 400 and not any(one[44:108] in answer.content for one in audio)


def is_whole(hotel: Hotel, told: dict[str, str]) -> bool:
    return play(hotel.agent, told["id"]).content == AUDIO


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-").replace("'", ""))
async def test_objects_put_in_another_place(
    stack: Machine, otter: Hotel, heron: Hotel, probes: Probes, case: str
) -> None:
    """In both zones, of a recording whose key is in no cache yet."""
    is_foreign, with_key = CASES[case]
    theirs = wav(2 * MIB, seed=2)
    mine, source = record(otter, AUDIO), record(heron if is_foreign else otter, theirs)
    here, there = of(stack, mine), of(stack, source)
    assert set(here) == set(there)
    assert len(here) >= 4, "BROKEN PROBE: a recording has less than two objects in each zone"
    async with superuser(stack, SERVICE) as connection:
        found = "SELECT wrapped, key_version FROM recording_key WHERE recording_id = $1"
        write = "UPDATE recording_key SET wrapped = $2, key_version = $3 WHERE recording_id = $1"
        kept, other = [await connection.fetchrow(found, UUID(one["id"])) for one in (mine, source)]
        if with_key:
            await connection.execute(write, UUID(mine["id"]), *other)
        try:
            with replaced({here[name]: there[name].read_bytes() for name in here}):
                answer = play(otter.agent, mine["id"])
        finally:
            await connection.execute(write, UUID(mine["id"]), *kept)
    probes.denied(f"{case} in its place", gave_nothing(answer, theirs), answer.status_code, route=PLAY)
    # A wrong key may be held for as long as a right one.
    wait_until(lambda: is_whole(otter, mine), within=60, what="its own objects, put back")
    probes.allowed("its own objects, put back", is_whole(otter, mine), on=case)


def test_its_own_objects_in_another_order(stack: Machine, otter: Hotel, probes: Probes) -> None:
    mine = record(otter, AUDIO)
    here = of(stack, mine)
    first, second = ({zone: here[f"{zone}/{number}"] for zone in "ab"} for number in ("000000", "000001"))
    turned = {
        path: other.read_bytes()
        for zone in "ab"
        for path, other in ((first[zone], second[zone]), (second[zone], first[zone]))
    }
    with replaced(turned):
        answer = play(otter.agent, mine["id"])
    probes.denied("its own objects in another order", gave_nothing(answer, AUDIO), answer.status_code, route=PLAY)
    wait_until(lambda: is_whole(otter, mine), within=60, what="its own objects, put back")
    probes.allowed("its own objects, put back", is_whole(otter, mine), on="another order")
