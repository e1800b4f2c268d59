"""What two zones promise, whatever they are made of. A test file gives `zones`: two that are empty and marked."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from guard import errors
from recording_storage import zone
from recording_storage.holder import Away, Missing, up
from recording_storage.segment import SEGMENT, Damaged

CLIENT, RECORDING = UUID(int=1), UUID(int=2)
FIRST, SECOND = (zone.path(CLIENT, RECORDING, number) for number in range(2))
SET, OTHER = UUID(int=5), UUID(int=6)
MARK = ".zone"
ESCAPES = (
    "", "..", "../x", "/etc/passwd", ".zone", f"{CLIENT}/../{CLIENT}/000000", f"{CLIENT}/{RECORDING}/000000#1",
    f"{CLIENT}/{RECORDING}/%2e%2e", f"{CLIENT}/{RECORDING}/0", f"{CLIENT}/{RECORDING}/000000\n", f"/{FIRST}",
    f"{FIRST}/", FIRST.replace("0", "\N{FULLWIDTH DIGIT ZERO}"), f"{CLIENT}//000000",
)  # fmt: skip


def anything(body):
    return body


def only(wanted):
    def accept(body):
        if body != wanted:
            raise Damaged
        return "accepted"

    return accept


async def held(zones, name, prefix=""):
    return [stored.path async for stored in zones.stored(name, prefix)]


async def write_mark(zones, name, text):
    """By hand, as the runbooks say."""
    await (await zones._named(name)._place.store()).put_async(MARK, text.encode())


def later(zones):
    """A while ago all of this was."""
    for one in zones._both:
        one._failed_at = None
        if one._itself_at is not None:
            one._itself_at -= 60


class WhoseSuite:
    @pytest.mark.parametrize("is_new", [True, False])
    async def test_to_another_database_they_are_away_and_stay_as_they_are(self, zones, is_new, caplog):
        await zones.put(FIRST, b"x")
        if is_new:  # an empty one
            with pytest.raises(errors.Unavailable):
                await zones.prepare(OTHER, is_new=True)
        else:
            await zones.prepare(OTHER, is_new=False)
        for name in zones.names:
            assert not await zones.answers(name)
            with pytest.raises(Away):
                await held(zones, name)
        with pytest.raises(errors.Unavailable):
            await zones.put(SECOND, b"y")
        assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == frozenset()
        said = [line for line in caplog.records if "zones-of-another-database" in line.message]
        assert {(line.origin, line.cause) for line in said} == {
            (name, f"its mark would be: konci recordings, zone {name}, of {OTHER}") for name in zones.names
        }
        later(zones)
        await zones.prepare(SET, is_new=False)
        assert await held(zones, "a") == await held(zones, "b") == [FIRST]

    @pytest.mark.parametrize("is_new", [True, False])
    async def test_without_a_mark_and_with_objects_it_is_nobodys(self, zones, is_new):
        await zones.put(FIRST, b"x")
        await zones._named("a").delete([MARK])
        later(zones)
        if is_new:
            with pytest.raises(errors.Unavailable):
                await zones.prepare(SET, is_new=True)
        else:
            await zones.prepare(SET, is_new=False)
        assert await zones.put(SECOND, b"y") == {"b"}
        with pytest.raises(Away):
            await held(zones, "a")
        assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"b"}
        later(zones)
        await write_mark(zones, "a", f"konci recordings, zone a, of {SET}\n")
        assert await held(zones, "a") == [FIRST]

    async def test_whoever_writes_the_mark_gives_it_to_a_database(self, zones):
        await zones.put(FIRST, b"x")
        for name in zones.names:
            await write_mark(zones, name, f"konci recordings, zone {name}, of {OTHER}\n")
        await zones.prepare(OTHER, is_new=True)
        assert await held(zones, "a") == [FIRST]
        assert await zones.put(SECOND, b"y") == {"a", "b"}

    async def test_marks_from_before_they_named_anybody_are_known_to_their_own_database_alone(self, zones):
        for name in zones.names:
            await write_mark(zones, name, f"konci recordings, zone {name}\n")
        later(zones)
        with pytest.raises(errors.Unavailable):
            await zones.put(FIRST, b"x")
        await zones.prepare(None, is_new=False)
        assert await zones.put(FIRST, b"x") == {"a", "b"}

    async def test_what_can_still_be_read_there_does_not_count_as_up(self, zones):
        await zones.put(FIRST, b"x")
        await zones._named("a").delete([MARK])
        assert not await zones.answers("a")
        assert await zones.read("a", FIRST, anything) == b"x"
        assert up.labels("a")._value.get() == 0


class ZoneSuite(WhoseSuite):
    @pytest.mark.parametrize("path", ESCAPES)
    async def test_a_path_never_leaves_its_zone(self, zones, path):
        for refused in (zones.put(path, b"x"), zones.get(path, anything), zones.copy(path, "a", "b", anything)):
            with pytest.raises(ValueError, match="a path in a zone"):
                await refused
        with pytest.raises(ValueError, match="a path in a zone"):
            await zones.erase(path)

    async def test_what_is_in_no_zone_is_lost(self, zones, wounds):
        with pytest.raises(zone.Lost):
            await zones.get(FIRST, anything)
        assert wounds == [("a", FIRST, "missing"), ("b", FIRST, "missing")]

    async def test_what_neither_zone_gives_rightly_is_lost(self, zones, wounds):
        await zones.put(FIRST, b"wrong")
        with pytest.raises(zone.Lost):
            await zones.get(FIRST, only(b"right"))
        assert wounds == [("a", FIRST, "damaged"), ("b", FIRST, "damaged")]

    async def test_what_is_longer_than_a_segment_is_not_read(self, zones, wounds):
        await zones.put(FIRST, bytes(2 * SEGMENT))
        with pytest.raises(zone.Lost):
            await zones.get(FIRST, anything)
        assert {kind for _, _, kind in wounds} == {"damaged"}

    async def test_both_zones_hold_what_was_put(self, zones, wounds):
        body = bytes(range(256)) * 4096
        assert await zones.put(FIRST, body) == {"a", "b"}
        for name in zones.names:
            assert await zones.read(name, FIRST, anything) == body
        assert await zones.get(FIRST, only(body)) == "accepted"
        assert wounds == []

    async def test_the_newest_counts(self, zones):
        await zones.put(FIRST, b"old")
        await zones.put(FIRST, b"new")
        assert await zones.get(FIRST, anything) == b"new"

    async def test_the_other_zone_serves_what_one_lacks_or_spoils(self, zones, wounds):
        await zones.put(FIRST, b"wrong")
        await only_in(zones, "b", FIRST, b"right")
        assert await zones.get(FIRST, only(b"right")) == "accepted"
        assert wounds == [("a", FIRST, "damaged")]

    async def test_a_copy_is_checked_before_it_is_written(self, zones):
        await zones.put(FIRST, b"wrong")
        await only_in(zones, "b", FIRST, b"right")
        with pytest.raises(Damaged):
            await zones.copy(FIRST, "a", "b", only(b"right"))
        assert await zones.read("b", FIRST, anything) == b"right"
        await zones.copy(FIRST, "b", "a", only(b"right"))
        assert await zones.read("a", FIRST, anything) == b"right"

    async def test_erasing_a_recording_leaves_its_neighbours(self, zones):
        near = zone.path(CLIENT, UUID(int=3), 0)
        for path in (FIRST, zone.path(CLIENT, RECORDING, 1), near):
            await zones.put(path, b"x")
        assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"a", "b"}
        assert await held(zones, "a") == await held(zones, "b") == [near]
        with pytest.raises(Missing):
            await zones.read("a", FIRST, anything)

    async def test_a_zone_that_says_deleted_and_keeps_it_is_not_erased(self, zones, monkeypatch):
        async def forget(paths):
            pass

        await zones.put(FIRST, b"x")
        monkeypatch.setattr(zones._named("a"), "delete", forget)
        assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"b"}

    async def test_erasing_what_is_not_there_is_done(self, zones):
        assert await zones.erase(zone.prefix(CLIENT, uuid4())) == {"a", "b"}

    async def test_a_listing_gives_each_recording_in_one_piece(self, zones):
        wanted = [zone.path(CLIENT, UUID(int=number), part) for number in range(5) for part in range(30)]
        for paths in (wanted[:75], wanted[75:]):
            await asyncio.gather(*(zones.put(path, b"four") for path in reversed(paths)))
        stored = [entry async for entry in zones.stored("b")]
        assert sorted(entry.path for entry in stored) == wanted
        recordings = [entry.path.rsplit("/", 1)[0] for entry in stored]
        assert sum(one != other for one, other in pairwise(recordings)) == 4
        assert {entry.bytes for entry in stored} == {4}
        assert all(abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=1) for entry in stored)
        assert len(await held(zones, "a", zone.prefix(CLIENT, UUID(int=4)))) == 30
        assert await zones.erase(str(CLIENT)) == {"a", "b"}
        assert await held(zones, "a") == []


async def only_in(zones, name, path, body):
    """Puts another body into one zone."""
    await zones._named(name).write(path, body)


def hang(path):
    """Whoever reads the object waits for ever: a pipe is in its place."""
    path.unlink()
    os.mkfifo(path)


async def release(path):
    """Gives each reader of the pipe its end."""
    for _ in range(1000):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody waits any more
            break
        await asyncio.sleep(0.02)
