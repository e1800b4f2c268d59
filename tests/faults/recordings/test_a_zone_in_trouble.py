"""01.3: with one zone full, read-only, hanging or answering wrong bytes, plays and uploads go on, as degraded; with
both gone nothing is stored. When it is back, both zones are made whole by themselves, and nothing differs.
"""

import asyncio
import hashlib
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.brisk import brisk
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import MIB, SERVICE, objects, places, play, record, rows, send, wav
from support.workload import workload
from support.zone_room import bucket, small_disk

BEFORE, DURING = wav(2 * MIB + 78, seed=1), wav(2 * MIB + 98, seed=2)
_WHOLE = 60.0  # seconds
_SECONDS = 1.0  # for one call to a zone that hangs


@pytest.fixture
async def copy(alone: Machine) -> AsyncIterator[Machine]:
    """A quickened copy at work."""
    one = brisk(alone)
    one.start()
    try:
        assert await one.ready()
        yield alone
    finally:
        await one.end()


async def metrics(stack: Machine) -> dict[str, float]:
    async with workload(stack, "prometheus", SERVICE) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    found = (re.fullmatch(r"(konci_(?:zone|recording)_[^ ]+) ([^ ]+)", line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


async def until(stack: Machine, what: str, **wanted: Any) -> dict[str, float]:
    """The metrics, once what is `wanted` of them holds."""
    end = time.monotonic() + _WHOLE
    while time.monotonic() < end:
        told = await metrics(stack)
        if wanted["holds"](told):
            return told
        await asyncio.sleep(0.3)
    raise AssertionError(f"not {what} within {_WHOLE:g} s: {told}")


async def is_whole(stack: Machine) -> None:
    """Both zones were compared from now on, nothing differs, and nothing counts as degraded."""
    since = time.time()

    def holds(told: dict[str, float]) -> bool:
        differences = [value for name, value in told.items() if name.startswith("konci_zone_differences")]
        return (
            told["konci_zone_compared_seconds"] > since
            and len(differences) == 12
            and not any(differences)
            and not told["konci_recording_degraded"]
        )

    await until(stack, "whole", holds=holds)


def same_in_both(stack: Machine, recording_id: str) -> None:
    stored = objects(stack, recording_id)
    first, second = stored[: len(stored) // 2], stored[len(stored) // 2 :]
    assert [path.name for path in first] == [path.name for path in second] == ["000000", "000001", "000002"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


async def goes_on(stack: Machine, hotel: Hotel, before: dict[str, Any]) -> dict[str, Any]:
    """What was there plays, an upload is taken and plays, and it is said that it is not safe yet; the upload."""
    for _ in range(2):
        assert expect(await asyncio.to_thread(play, hotel.agent, before["id"]), 200).content == BEFORE
    taken = await asyncio.to_thread(record, hotel, DURING)
    assert expect(await asyncio.to_thread(play, hotel.agent, taken["id"]), 200).content == DURING
    told = await until(stack, "degraded", holds=lambda told: told["konci_recording_degraded"] >= 1)
    assert told['konci_zone_degraded_writes_total{zone="a"}'] >= 3
    return taken


async def is_back(stack: Machine, hotel: Hotel, *recordings: dict[str, Any]) -> None:
    await is_whole(stack)
    for told in recordings:
        answer = expect(await asyncio.to_thread(play, hotel.agent, told["id"]), 200)
        assert hashlib.sha256(answer.content).hexdigest() == told["sha256"]


@contextmanager
def gone(*zones: Path) -> Iterator[None]:
    """Their folders are not where they were."""
    for zone in zones:
        zone.rename(zone.with_suffix(".gone"))
    try:
        yield
    finally:
        for zone in zones:
            assert not zone.exists()  # a zone that is away is not written beside
            zone.with_suffix(".gone").rename(zone)


async def test_after_both_were_gone_nothing_is_left_and_nothing_differs(copy: Machine, otter: Hotel) -> None:
    before = await asyncio.to_thread(record, otter, BEFORE)
    call = otter.call()
    stored = {name: await rows(copy, name, otter.client_id) for name in ("recording", "recording_key")}
    with gone(*places(copy)):
        for answer in (
            await asyncio.to_thread(play, otter.agent, before["id"]),
            await asyncio.to_thread(send, otter.agent, call["id"], DURING),
        ):
            assert expect(answer, 503).headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert set(answer.json()) >= {"type", "title", "status", "request_id"}
        told = await until(copy, "away", holds=lambda told: not told['konci_zone_up{zone="a"}'])
        assert told['konci_zone_up{zone="b"}'] == 0
        for name, known in stored.items():
            assert await rows(copy, name, otter.client_id) == known
    await is_back(copy, otter, before)
    end = time.monotonic() + _WHOLE
    while await rows(copy, "upload", otter.client_id) and time.monotonic() < end:  # noqa: ASYNC110 - a row of a database tells nobody
        await asyncio.sleep(0.2)
    assert await rows(copy, "upload", otter.client_id) == []
    assert expect(otter.agent.get("/v1/recordings", params={"call_id": call["id"]}), 200).json()["items"] == []
    assert expect(await asyncio.to_thread(send, otter.agent, call["id"], DURING), 201)


async def test_full(alone: Machine, otter: Hotel, tmp_path: Path) -> None:
    async with small_disk(alone, tmp_path) as disk:
        before = await asyncio.to_thread(record, otter, BEFORE)
        disk.fill()
        taken = await goes_on(alone, otter, before)
        disk.free()
        await is_back(alone, otter, before, taken)
    same_in_both(alone, taken["id"])


async def test_read_only(alone: Machine, otter: Hotel, tmp_path: Path) -> None:
    async with small_disk(alone, tmp_path) as disk:
        before = await asyncio.to_thread(record, otter, BEFORE)
        doomed = await asyncio.to_thread(record, otter, BEFORE)
        disk.remount("ro")
        taken = await goes_on(alone, otter, before)
        expect(otter.agent.delete(f"/v1/recordings/{doomed['id']}"), 202)
        await until(alone, "waiting", holds=lambda told: told["konci_recording_removals_waiting"] >= 1)
        disk.remount("rw")
        await until(alone, "erased", holds=lambda told: not told["konci_recording_removals_waiting"])
        await is_back(alone, otter, before, taken)
    same_in_both(alone, taken["id"])
    assert objects(alone, doomed["id"]) == []


async def test_hanging(alone: Machine, otter: Hotel, tmp_path: Path) -> None:
    async with bucket(alone, tmp_path / "s3", _SECONDS) as store:
        before = await asyncio.to_thread(record, otter, BEFORE)
        store.send(signal.SIGSTOP)
        taken = await goes_on(alone, otter, before)
        store.send(signal.SIGCONT)
        await is_back(alone, otter, before, taken)
    same_in_both(alone, taken["id"])


async def test_answering_wrong_bytes(copy: Machine, otter: Hotel) -> None:
    before = await asyncio.to_thread(record, otter, BEFORE)
    whole = {path: path.read_bytes() for path in objects(copy, before["id"])[:3]}
    others = [path.read_bytes() for path in objects(copy, (await asyncio.to_thread(record, otter, BEFORE))["id"])[:3]]
    for path, other in zip(whole, others, strict=True):
        assert path.is_relative_to(places(copy)[0])
        path.write_bytes(other)  # of another recording: of its length, and sealed as well as its own
    assert expect(await asyncio.to_thread(play, otter.agent, before["id"]), 200).content == BEFORE
    assert (await metrics(copy))['konci_zone_wounds_total{kind="damaged",zone="a"}'] >= 3
    await until(copy, "healed", holds=lambda told: told.get('konci_zone_healed_total{zone="a"}', 0) >= 3)
    assert {path: path.read_bytes() for path in whole} == whole
    await is_back(copy, otter, before)
