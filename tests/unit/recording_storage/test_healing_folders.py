"""What one zone lacks or spoils is healed from the other, and nothing stays that no row knows (01.3, 03)."""

import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from guard import errors
from recording_storage import comparison, healing, zone
from recording_storage.healer import Wounded
from recording_storage.healing import Difference, Expected, Unreadable
from recording_storage.holder import Away
from support.zone_healing_suite import WHOLE, HealingSuite, found, known, rows, soon, store
from support.zone_suite import CLIENT, FIRST, RECORDING, held, only, only_in

BESIDE = Expected(CLIENT, UUID(int=3), WHOLE.bytes)


class TestTwoFolders(HealingSuite):
    pass


class TestHowOld:
    async def test_the_youngest_object_of_each_recording_decides(self, zones, tmp_path):
        ids = [UUID(int=number) for number in range(3)]
        paths = [zone.path(CLIENT, recording_id, number) for recording_id in ids for number in range(3)]
        young = [zone.path(CLIENT, recording_id, number) for number, recording_id in enumerate(ids)]
        for path in paths:
            await zones.put(path, b"x")
            if path not in young:
                _age(tmp_path, path)
        before = datetime.now(UTC) - timedelta(minutes=5)
        assert await healing.sweep(zones, known(), before) == 0
        _age(tmp_path, young[2])
        assert await healing.sweep(zones, known(), before) == 1
        assert sorted(await held(zones, "a")) == paths[:6]


@contextmanager
def gone(folder):
    folder.rename(folder.with_name("unmounted"))
    try:
        yield
    finally:
        folder.with_name("unmounted").rename(folder)


def _age(home, path):
    for name in ("a", "b"):
        os.utime(home / name / path, (0, 0))


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

    async def test_nothing_is_compared_or_swept(self, zones, tmp_path):
        await store(zones, WHOLE)
        healing.differences_found.labels("b", "orphan").set(7)
        (tmp_path / "b").rename(tmp_path / "unmounted")
        with pytest.raises(errors.Unavailable):  # and before anything was told
            await anext(healing.differences(zones, rows(WHOLE), known(RECORDING), soon()))
        assert healing.differences_found.labels("b", "orphan")._value.get() == 7  # the last comparison that ended
        with pytest.raises(errors.Unavailable):
            await healing.sweep(zones, known(WHOLE.recording_id), soon())
        (tmp_path / "unmounted").rename(tmp_path / "b")
        assert await found(zones, WHOLE) == []

    async def test_a_foreign_file_is_told_and_left(self, zones, tmp_path):
        (tmp_path / "a" / "note.txt").write_text("not ours")
        assert await found(zones) == [healing.Difference("a", "note.txt", "foreign")]
        assert await healing.sweep(zones, known(), soon()) == 0
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
        wounded, healer = Wounded(), SimpleNamespace(is_known=known(RECORDING, BESIDE.recording_id))
        comparison.compared_at.set(7)
        with gone(tmp_path / "b"), pytest.raises(errors.Unavailable):
            await comparison.compare(None, zones, healer, wounded, soon())
        assert (comparison.compared_at._value.get(), wounded.take()) == (7, {})
        assert len(await comparison.compare(None, zones, healer, wounded, soon())) == 3
        assert comparison.compared_at._value.get() > 7
        assert wounded.take() == {(CLIENT, BESIDE.recording_id): set()}
