"""01.3: what is wrong with one object, or with one client's folder, costs nobody else a zone, and is healed."""

import asyncio
import os
import shutil
import time
from contextlib import contextmanager
from uuid import UUID

import pytest

from recording_storage import healing, zone
from recording_storage.healer import Wounded
from recording_storage.holder import Away, Broken, up
from support.zone_suite import CLIENT, FIRST, RECORDING, SECOND, SET, anything, hang, only, release

PREFIX = zone.prefix(CLIENT, RECORDING)
BESIDE = zone.path(CLIENT, UUID(int=3), 0)
OTHERS = [zone.path(UUID(int=number), UUID(int=number), 0) for number in (7, 8, 9)]


def _loop(path):
    """Reading it is an error of the disk's: it leads to itself."""
    path.unlink()
    path.symlink_to(path)


@contextmanager
def _held(path):
    """A path to the same pipe, whatever is in its place then."""
    descriptor = os.open(path, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _refuse(folder):
    """It takes nothing: a file is in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_bytes(b"")


async def _takes_all(zones, *paths):
    return [await zones.put(path, b"y") for path in paths] == [{"a", "b"}] * len(paths)


class TestOneThatCannotBeRead:
    async def test_it_is_played_from_the_other_and_everybody_still_writes_to_both(self, zones, tmp_path, wounds):
        await zones.put(FIRST, b"x")
        _loop(tmp_path / "a" / FIRST)
        assert await zones.get(FIRST, anything) == b"x"
        assert up.labels("a")._value.get() == 1
        assert await _takes_all(zones, SECOND, BESIDE, OTHERS[0])
        assert wounds == [("a", FIRST, "unreadable")]

    async def test_a_play_has_it_healed(self, zones, tmp_path):
        wounded = Wounded()
        zones._wounds = wounded.note
        await zones.put(FIRST, b"x")
        _loop(tmp_path / "a" / FIRST)
        await zones.get(FIRST, anything)
        assert wounded.is_woken.is_set()
        assert wounded.take() == {(CLIENT, RECORDING): {FIRST}}
        assert await healing.heal(zones, FIRST, only(b"x")) == {"a"}
        assert (tmp_path / "a" / FIRST).read_bytes() == b"x"

    async def test_in_a_zone_that_is_gone_since_it_is_only_waited_for(self, zones, tmp_path, wounds):
        await zones.put(FIRST, b"x")
        _loop(tmp_path / "a" / FIRST)
        (tmp_path / "a" / ".zone").unlink()
        assert await zones.get(FIRST, anything) == b"x"
        assert wounds == [("a", FIRST, "away")]
        assert await zones.put(SECOND, b"y") == {"b"}
        assert up.labels("a")._value.get() == 0


class TestAFolder:
    async def test_one_that_cannot_be_erased_costs_nobody_else_a_zone(self, zones, tmp_path):
        await zones.put(FIRST, b"x")
        shutil.move(tmp_path / "a" / PREFIX, tmp_path / "outside")
        (tmp_path / "a" / PREFIX).symlink_to(tmp_path / "outside")
        assert await zones.erase(PREFIX) == {"b"}
        assert up.labels("a")._value.get() == 1
        assert await _takes_all(zones, BESIDE, OTHERS[0])

    async def test_one_clients_that_takes_nothing_costs_no_other_a_zone(self, zones, tmp_path):
        _refuse(tmp_path / "a" / str(CLIENT))
        for path in (FIRST, BESIDE):
            assert await zones.put(path, b"x") == {"b"}
        assert await _takes_all(zones, *OTHERS)

    async def test_it_is_not_tried_with_each_segment(self, zones, tmp_path):
        _refuse(tmp_path / "a" / str(CLIENT))
        assert await zones.put(FIRST, b"x") == {"b"}
        (tmp_path / "a" / str(CLIENT)).unlink()
        assert await zones.put(SECOND, b"x") == {"b"}
        zones._named("a")._refused[str(CLIENT)] -= 60
        assert await zones.put(SECOND, b"x") == {"a", "b"}

    async def test_of_two_clients_it_is_a_disk_that_takes_nothing(self, zones, tmp_path):
        for path in OTHERS[:2]:
            _refuse(tmp_path / "a" / path.split("/", 1)[0])
            assert await zones.put(path, b"x") == {"b"}
        assert await zones.put(OTHERS[2], b"x") == {"b"}  # it is not even tried
        assert up.labels("a")._value.get() == 0


class TestOneThatHangs:
    @pytest.fixture
    async def zones(self, opened, tmp_path):
        zones = opened(seconds=1.0)
        await zones.prepare(SET, is_new=True)
        await zones.put(FIRST, b"x")
        hang(tmp_path / "a" / FIRST)
        yield zones
        await release(tmp_path / "a" / FIRST)

    async def test_however_often_it_is_read_its_zone_stays(self, zones):
        for _ in range(3):  # at once, and then again and again
            reads = (zones.read("a", FIRST, anything) for _ in range(40))
            assert {type(one) for one in await asyncio.gather(*reads, return_exceptions=True)} == {Broken}
        assert await zones.answers("a")
        assert await _takes_all(zones, SECOND, OTHERS[0])

    async def test_however_often_its_listener_leaves_its_zone_stays(self, zones):
        for _ in range(100):
            with pytest.raises((TimeoutError, Away)):
                await asyncio.wait_for(zones.read("a", FIRST, anything), 0.01)
        assert await zones.answers("a")

    async def test_it_is_waited_for_once(self, zones):
        assert await zones.get(FIRST, anything) == b"x"
        began = time.monotonic()
        with pytest.raises(Away):
            await zones.read("a", FIRST, anything)
        assert time.monotonic() - began < 0.5

    async def test_it_is_read_again_when_it_comes_back(self, zones, tmp_path):
        with pytest.raises(Away):
            await zones.read("a", FIRST, anything)
        with _held(tmp_path / "a" / FIRST) as pipe:
            (tmp_path / "a" / FIRST).unlink()
            (tmp_path / "a" / FIRST).write_bytes(b"x")
            with pytest.raises(Away):
                await zones.read("a", FIRST, anything)
            await release(pipe)
        assert await zones.read("a", FIRST, anything) == b"x"

    async def test_it_is_healed_while_it_hangs(self, zones, tmp_path):
        with pytest.raises(Away):
            await zones.read("a", FIRST, anything)
        with _held(tmp_path / "a" / FIRST) as pipe:
            assert await healing.heal(zones, FIRST, only(b"x")) == {"a"}
            assert await zones.read("a", FIRST, anything) == b"x"
            await release(pipe)
