"""A link in a zone's folder leads to nothing that is read, written or erased: a zone stays in its folder (02.1)."""

import shutil

import pytest

from recording_storage import zone
from recording_storage.holder import Away
from support.zone_suite import CLIENT, FIRST, RECORDING, SECOND, SET, anything, held, later

PREFIX = zone.prefix(CLIENT, RECORDING)


@pytest.fixture(params=[str(CLIENT), PREFIX], ids=["client", "recording"])
async def outside(request, zones, tmp_path):
    """What was in zone a's folder is somewhere else, and a link is in its place."""
    await zones.put(FIRST, b"precious")
    folder, outside = tmp_path / "a" / request.param, tmp_path / "outside"
    shutil.move(folder, outside)
    folder.symlink_to(outside)
    (outside / "000001#1").write_bytes(b"precious too")
    for path in (outside, *outside.rglob("*")):
        path.chmod(0o755)
    later(zones)
    return outside


def _seen(folder):
    return {path: (path.stat().st_mode, path.is_file() and path.read_bytes()) for path in (folder, *folder.rglob("*"))}


async def test_what_is_behind_one_is_not_touched(zones, outside):
    before = _seen(outside)
    with pytest.raises(Away):
        await zones.read("a", FIRST, anything)
    for below in ("", str(CLIENT), PREFIX):
        with pytest.raises(Away):
            await held(zones, "a", below)
    with pytest.raises(Away):
        await zones._named("a").delete([FIRST])
    with pytest.raises(Away):
        await zones._named("a").write(SECOND, b"x")
    with pytest.raises(Away):
        await zones._named("a").settle(PREFIX)
    assert await zones.erase(PREFIX) == {"b"}
    assert await zones.erase(str(CLIENT)) == {"b"}
    assert _seen(outside) == before


async def test_a_link_in_the_place_of_an_object_is_not_read_and_is_replaced(zones, tmp_path):
    letter = tmp_path / "letter"
    letter.write_bytes(b"somebody's")
    await zones.put(FIRST, b"x")
    (tmp_path / "a" / FIRST).unlink()
    (tmp_path / "a" / FIRST).symlink_to(letter)
    with pytest.raises(Away):
        await zones.read("a", FIRST, anything)
    later(zones)
    assert await zones.put(FIRST, b"x") == {"a", "b"}
    assert await zones.read("a", FIRST, anything) == b"x"
    assert letter.read_bytes() == b"somebody's"


async def test_the_zone_itself_may_be_one(opened, zones, tmp_path):
    (tmp_path / "a").rename(tmp_path / "disk")
    (tmp_path / "a").symlink_to(tmp_path / "disk")
    assert await zones.put(FIRST, b"x") == {"a", "b"}
    assert await zones.settle(PREFIX, zones.names) == {"a", "b"}
    assert await zones.read("a", FIRST, anything) == b"x"
    assert await zones.erase(PREFIX) == {"a", "b"}


async def test_a_zone_that_is_linked_elsewhere_is_where_it_was_until_the_next_start(zones, opened, tmp_path):
    """Somebody moves a disk while the service runs: what is left at the old place is a folder under no disk."""
    disk, other = tmp_path / "disk", tmp_path / "other"
    (tmp_path / "a").rename(disk)
    (tmp_path / "a").symlink_to(disk)
    running = opened()
    await running.prepare(SET, is_new=False)
    assert await running.put(FIRST, b"x") == {"a", "b"}
    shutil.copytree(disk, other)
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to(other)
    assert await running.put(zone.path(CLIENT, RECORDING, 2), b"z") == {"a", "b"}
    shutil.rmtree(disk)
    disk.mkdir()
    assert await running.put(SECOND, b"y") == {"b"}
    later(running)
    assert await running.erase(PREFIX) == {"b"}  # never "erased" where it was not looked
    assert list(disk.iterdir()) == []
    again = opened()
    await again.prepare(SET, is_new=False)
    assert await held(again, "a") == [FIRST]
