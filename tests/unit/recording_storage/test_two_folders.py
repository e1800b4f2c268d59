"""Two folders keep what two zones promise, and one that is gone or hangs costs nothing but itself (01.3, 02.1)."""

import asyncio
import os
import shutil
import time

import pytest

from guard import errors
from recording_storage import zone
from recording_storage.holder import Away, Broken, failures, moved, seconds, up
from support.zone_suite import (
    CLIENT,
    FIRST,
    RECORDING,
    SECOND,
    SET,
    ZoneSuite,
    anything,
    hang,
    held,
    later,
    only,
    release,
)


class TestTwoFolders(ZoneSuite):
    pass


class TestWhichZoneItIs:
    async def test_without_its_mark_a_folder_is_neither_read_nor_written(self, zones, tmp_path, wounds):
        # A disk that is not mounted: the folder is there, and what is written into it is lost with the next mount.
        await zones.put(FIRST, b"x")
        shutil.rmtree(tmp_path / "a")
        (tmp_path / "a").mkdir()
        assert await zones.get(FIRST, anything) == b"x"
        assert wounds == [("a", FIRST, "away")]
        later(zones)  # else it is not even tried
        assert await zones.put(SECOND, b"y") == {"b"}
        assert list((tmp_path / "a").iterdir()) == []

    async def test_a_folder_that_is_gone_is_not_made_anew(self, zones, tmp_path):
        shutil.rmtree(tmp_path / "a")
        assert await zones.put(FIRST, b"x") == {"b"}
        assert not (tmp_path / "a").exists()
        with pytest.raises(Away):
            await held(zones, "a")
        assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"b"}

    async def test_a_later_start_marks_nothing(self, zones, opened, tmp_path):
        shutil.rmtree(tmp_path / "a")
        again = opened()
        await again.prepare(SET, is_new=False)
        assert await again.put(FIRST, b"x") == {"b"}
        await again.adopt("a")
        await again.copy(FIRST, "b", "a", only(b"x"))

    async def test_a_second_start_before_the_first_recording_changes_nothing(self, zones, opened):
        again = opened()
        await again.prepare(SET, is_new=True)
        assert await again.put(FIRST, b"x") == {"a", "b"}

    async def test_one_folder_is_not_two_zones(self, opened):
        with pytest.raises(errors.Unavailable):
            await opened(names=("a", "a")).prepare(SET, is_new=True)
        again = opened(names=("a", "a"))
        await again.prepare(SET, is_new=False)
        assert await again.put(FIRST, b"x") == {"a"}

    async def test_before_it_is_known_whose_they_are_they_are_away(self, zones, opened):
        with pytest.raises(errors.Unavailable):
            await opened().put(FIRST, b"x")

    async def test_a_folder_that_holds_something_else_is_not_taken(self, opened, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "letter.txt").write_text("somebody's")
        with pytest.raises(errors.Unavailable):
            await opened().prepare(SET, is_new=True)
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["letter.txt"]

    async def test_two_folders_are_not_exchanged(self, zones, opened):
        swapped = opened(names=("b", "a"))
        await swapped.prepare(SET, is_new=False)
        with pytest.raises(errors.Unavailable):
            await swapped.put(FIRST, b"x")

    async def test_both_gone_is_unavailable_and_never_lost(self, zones, tmp_path):
        await zones.put(FIRST, b"x")
        for name in zones.names:
            (tmp_path / name).rename(tmp_path / f"{name}-unmounted")
        with pytest.raises(errors.Unavailable):
            await zones.put(FIRST, b"x")
        with pytest.raises(errors.Unavailable):
            await zones.get(FIRST, anything)
        for name in zones.names:
            (tmp_path / f"{name}-unmounted").rename(tmp_path / name)
        assert await zones.get(FIRST, anything) == b"x"

    async def test_one_missing_and_one_away_is_not_lost(self, zones, tmp_path):
        shutil.rmtree(tmp_path / "b")
        with pytest.raises(errors.Unavailable):
            await zones.get(FIRST, anything)


class TestSlow:
    async def test_a_zone_that_hangs_costs_one_limit_and_not_its_neighbour(self, opened, tmp_path, wounds):
        zones = opened(seconds=2.0)
        await zones.prepare(SET, is_new=True)
        await zones.put(FIRST, b"x")
        hang(tmp_path / "a" / FIRST)  # opening a pipe waits for somebody to write
        began = time.monotonic()
        assert await zones.get(FIRST, anything) == b"x"
        assert 2 <= time.monotonic() - began < 8
        assert wounds == [("a", FIRST, "unreadable")]
        assert await zones.get(FIRST, anything) == b"x"
        assert len(wounds) == 1  # it was not asked again: a zone that has just failed is asked last
        await release(tmp_path / "a" / FIRST)

    async def test_many_hanging_calls_are_bounded_and_the_neighbour_goes_on(self, opened, tmp_path):
        zones = await _with_one_that_hangs(opened, tmp_path)
        paths = [zone.path(CLIENT, RECORDING, number) for number in range(2, 202)]
        for path in paths:
            os.mkfifo(tmp_path / "a" / path)
        stuck = await asyncio.gather(*(zones.read("a", path, anything) for path in paths), return_exceptions=True)
        assert {type(one) for one in stuck} == {Away}
        assert zones._named("a")._under_way._free.locked()
        assert await zones.read("b", SECOND, anything) == b"y"
        for path in paths:
            await release(tmp_path / "a" / path)
        assert await zones.read("a", SECOND, anything) == b"y"  # it came back, so its calls are free again

    async def test_one_object_that_hangs_takes_nothing_else_of_its_zone(self, opened, tmp_path):
        zones = await _with_one_that_hangs(opened, tmp_path)
        stuck = [asyncio.ensure_future(zones.read("a", FIRST, anything)) for _ in range(200)]
        assert {type(one) for one in await asyncio.gather(*stuck, return_exceptions=True)} == {Broken}
        assert await zones.answers("a")
        assert await zones.read("a", SECOND, anything) == b"y"
        await release(tmp_path / "a" / FIRST)

    async def test_a_folder_that_hangs_while_it_is_cleared_holds_up_no_erasing(self, opened, monkeypatch):
        zones = opened(seconds=2.0)
        await zones.prepare(SET, is_new=True)
        await zones.put(FIRST, b"x")
        is_let_go = asyncio.Event()

        async def hang(*_):
            await is_let_go.wait()

        monkeypatch.setattr(zones._named("a")._place, "clear", hang)
        erased = await asyncio.wait_for(zones.erase(zone.prefix(CLIENT, RECORDING)), 10)
        is_let_go.set()
        assert erased == {"b"}

    async def test_a_tired_zone_is_not_written_while_the_other_serves(self, opened, tmp_path):
        zones = opened()
        await zones.prepare(SET, is_new=True)
        shutil.rmtree(tmp_path / "a")
        assert await zones.put(FIRST, b"x") == {"b"}
        await zones._named("a").adopt()
        assert await zones.put(SECOND, b"x") == {"b"}  # it answers again, and is asked after a while
        zones._named("a")._failed_at -= 60
        assert await zones.put(SECOND, b"x") == {"a", "b"}

    async def test_a_tired_zone_is_written_when_the_other_fails(self, zones, tmp_path):
        zones._named("a")._failed_at = time.monotonic()
        shutil.rmtree(tmp_path / "b")
        assert await zones.put(FIRST, b"x") == {"a"}


class TestWhatIsMeasured:
    async def test_a_zone_is_down_while_it_does_not_answer(self, zones, tmp_path):
        async def watch():
            while True:
                await zones.look()
                await asyncio.sleep(0.01)

        watching = asyncio.ensure_future(watch())
        assert await _becomes(up.labels("a"), 1)
        (tmp_path / "a").rename(tmp_path / "unmounted")
        assert await _becomes(up.labels("a"), 0)
        assert up.labels("b")._value.get() == 1
        (tmp_path / "unmounted").rename(tmp_path / "a")
        assert await _becomes(up.labels("a"), 1)
        watching.cancel()

    async def test_bytes_calls_failures_and_what_only_one_zone_holds(self, zones, tmp_path):
        before = _counted()
        await zones.put(FIRST, b"four")
        await zones.get(FIRST, anything)
        shutil.rmtree(tmp_path / "b")
        await zones.put(SECOND, b"seven..")
        assert {name: value - before[name] for name, value in _counted().items()} == {
            "written to a": 11, "read from a": 4, "calls to a": 3, "failures of b": 1, "degraded b": 1, "degraded a": 0,
        }  # fmt: skip

    async def test_a_log_says_which_zone_and_never_where(self, zones, tmp_path, caplog):
        shutil.rmtree(tmp_path / "a")
        await zones.put(FIRST, b"x")
        (line,) = caplog.records
        assert (line.msg, line.origin, line.error) == ("a zone is away", "a", "NotItself")
        assert str(tmp_path) not in str(vars(line))


def _counted():
    calls = {sample.name: sample.value for sample in next(iter(seconds.labels("a", "write").collect())).samples}
    reads = {sample.name: sample.value for sample in next(iter(seconds.labels("a", "read").collect())).samples}
    return {
        "written to a": moved.labels("a", "write")._value.get(),
        "read from a": moved.labels("a", "read")._value.get(),
        "calls to a": calls["konci_zone_seconds_count"] + reads["konci_zone_seconds_count"],
        "failures of b": failures.labels("b", "write")._value.get(),
        "degraded a": zone.degraded.labels("a")._value.get(),
        "degraded b": zone.degraded.labels("b")._value.get(),
    }


async def _becomes(gauge, value):
    for _ in range(300):
        if gauge._value.get() == value:
            return True
        await asyncio.sleep(0.01)
    return False


async def _with_one_that_hangs(opened, tmp_path):
    """Two zones, and the first of two objects hangs in zone a."""
    zones = opened(seconds=2.0)
    await zones.prepare(SET, is_new=True)
    await zones.put(FIRST, b"x")
    await zones.put(SECOND, b"y")
    hang(tmp_path / "a" / FIRST)
    return zones
