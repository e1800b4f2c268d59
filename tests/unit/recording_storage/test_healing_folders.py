"""What one zone lacks or spoils is healed from the other, and nothing stays that no row knows (01.3, 03)."""

import shutil
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from guard import errors
from guard.clock import Clock
from recording_storage import comparison, healing, zone
from recording_storage.comparison import Grace
from recording_storage.healer import Wounded
from recording_storage.healing import Difference, Expected, Unreadable
from recording_storage.holder import Away
from support.zone_healing_suite import WHOLE, HealingSuite, due, found, known, rows, store
from support.zone_suite import CLIENT, FIRST, RECORDING, only, only_in

BESIDE = Expected(CLIENT, UUID(int=3), WHOLE.bytes)
GRACE = Grace(Clock(), timedelta(days=1), timedelta(hours=3))


class Knowing:
    """A healer whose database has these."""

    def __init__(self, *recordings):
        self.is_recording = self.is_known = known(*recordings)


class NoOrphans:
    """A pool whose database knows of none. `said`: what it was told."""

    def __init__(self):
        self.said = []

    @asynccontextmanager
    async def acquire(self):
        yield self

    async def execute(self, statement, *_):
        self.said.append(statement)

    async def fetch(self, *_):
        return []


class TestTwoFolders(HealingSuite):
    pass


@contextmanager
def gone(folder):
    folder.rename(folder.with_name("unmounted"))
    try:
        yield
    finally:
        folder.with_name("unmounted").rename(folder)


def _spoil(path):
    """Reading it is an error of the disk's: it leads to itself."""
    path.unlink()
    path.symlink_to(path)


class TestAZoneThatIsAway:
    async def test_nothing_is_called_healed(self, zones, tmp_path):
        await store(zones, WHOLE)
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(errors.Unavailable):
            await healing.heal(zones, next(iter(WHOLE.lengths())), only(b"right"))

    async def test_an_object_that_cannot_be_read_in_a_zone_that_answers_is_written_anew(self, zones, tmp_path):
        await zones.put(FIRST, b"right")
        for name in zones.names:
            _spoil(tmp_path / name / FIRST)
        with pytest.raises(Unreadable):  # nobody knows yet whether it is lost
            await healing.heal(zones, FIRST, only(b"right"))
        (tmp_path / "b" / FIRST).unlink()
        await only_in(zones, "b", FIRST, b"right")
        assert await healing.heal(zones, FIRST, only(b"right")) == {"a"}
        assert (tmp_path / "a" / FIRST).read_bytes() == b"right"

    async def test_nothing_is_compared(self, zones, tmp_path):
        await store(zones, WHOLE)
        healing.differences_found.labels("b", "orphan").set(7)
        (tmp_path / "b").rename(tmp_path / "unmounted")
        with pytest.raises(errors.Unavailable):  # and before anything was told
            await anext(healing.differences(zones, rows(WHOLE), known(RECORDING), known(RECORDING)))
        assert healing.differences_found.labels("b", "orphan")._value.get() == 7  # the last comparison that ended
        (tmp_path / "unmounted").rename(tmp_path / "b")
        assert await found(zones, WHOLE) == []

    async def test_what_it_holds_is_swept_when_it_is_back(self, zones, tmp_path):
        await store(zones, WHOLE)
        (tmp_path / "b").rename(tmp_path / "unmounted")
        assert await healing.sweep(zones, known(), due(WHOLE.recording_id)) == 0
        (tmp_path / "unmounted").rename(tmp_path / "b")
        assert await healing.sweep(zones, known(), due(WHOLE.recording_id)) == 1
        assert await found(zones) == []

    async def test_a_foreign_file_is_told_and_left(self, zones, tmp_path):
        (tmp_path / "a" / "note.txt").write_text("not ours")
        assert await found(zones) == [healing.Difference("a", "note.txt", "foreign")]
        assert await zones.clear_debris(timedelta(0)) == 0
        assert (tmp_path / "a" / "note.txt").exists()


class TestAFolderThatCannotBeListed:
    @pytest.fixture
    async def spoilt(self, zones, tmp_path):
        """BESIDE is whole but for one object, and comes after it."""
        await store(zones, WHOLE)
        await store(zones, BESIDE)
        await zones._named("b").delete([zone.path(CLIENT, BESIDE.recording_id, 1)])
        _spoil(tmp_path / "a" / FIRST)

    async def test_it_is_told_and_holds_up_no_other(self, zones, spoilt):
        assert await found(zones, WHOLE, BESIDE) == [
            Difference("a", zone.prefix(CLIENT, RECORDING), "unreadable"),
            Difference("b", zone.path(CLIENT, BESIDE.recording_id, 1), "missing"),
            Difference("a", "", "unreadable"),  # nor is it known what else is there
        ]
        assert healing.differences_found.labels("a", "unreadable")._value.get() == 2

    async def test_one_call_that_fails_is_no_difference(self, zones, monkeypatch):
        await store(zones, WHOLE)
        await store(zones, BESIDE)
        failed, real = [], zones._named("a").chunks

        async def chunks(below):
            if below and below not in failed:
                failed.append(below)
                raise Away
            async for chunk in real(below):
                yield chunk

        monkeypatch.setattr(zones._named("a"), "chunks", chunks)
        assert await found(zones, WHOLE, BESIDE) == []
        assert len(failed) == 2

    async def test_the_comparison_comes_to_its_end(self, zones, spoilt, tmp_path, monkeypatch):
        monkeypatch.setattr(comparison, "_expected", lambda _: rows(WHOLE, BESIDE))
        wounded, healer = Wounded(), Knowing(RECORDING, BESIDE.recording_id)
        comparison.compared_at.set(7)
        with gone(tmp_path / "b"), pytest.raises(errors.Unavailable):
            await comparison.compare(NoOrphans(), zones, healer, wounded, GRACE)
        assert (comparison.compared_at._value.get(), wounded.take()) == (7, {})
        assert len(await comparison.compare(NoOrphans(), zones, healer, wounded, GRACE)) == 3
        assert comparison.compared_at._value.get() > 7
        assert wounded.take() == {(CLIENT, BESIDE.recording_id): set()}

    async def test_it_forgets_no_orphan_that_it_did_not_come_to(self, zones, spoilt, tmp_path, monkeypatch):
        monkeypatch.setattr(comparison, "_expected", lambda _: rows(WHOLE, BESIDE))
        healer, orphans = Knowing(RECORDING, BESIDE.recording_id), NoOrphans()
        await comparison.compare(orphans, zones, healer, Wounded(), GRACE)
        assert orphans.said == []
        (tmp_path / "a" / FIRST).unlink()
        await comparison.compare(orphans, zones, healer, Wounded(), GRACE)
        assert ["DELETE FROM orphan" in statement for statement in orphans.said] == [True]
