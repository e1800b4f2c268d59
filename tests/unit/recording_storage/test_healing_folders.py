"""What one zone lacks or spoils is healed from the other, and nothing stays that no row knows (01.3, 03)."""

import shutil
from datetime import timedelta

import pytest

from guard import errors
from recording_storage import healing
from recording_storage.holder import Away
from support.zone_healing_suite import WHOLE, HealingSuite, due, found, known, store
from support.zone_suite import FIRST, only, only_in


class TestTwoFolders(HealingSuite):
    pass


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
        with pytest.raises(Away):  # nobody knows yet whether it is lost
            await healing.heal(zones, FIRST, only(b"right"))
        (tmp_path / "b" / FIRST).unlink()
        await only_in(zones, "b", FIRST, b"right")
        assert await healing.heal(zones, FIRST, only(b"right")) == {"a"}
        assert (tmp_path / "a" / FIRST).read_bytes() == b"right"

    async def test_nothing_is_compared(self, zones, tmp_path):
        await store(zones, WHOLE)
        healing.differences_found.labels("b", "orphan").set(7)
        (tmp_path / "b").rename(tmp_path / "unmounted")
        with pytest.raises(errors.Unavailable):
            await found(zones, WHOLE)
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
