"""A zone whose disk is full, read-only or not mounted: the other serves, and what was missed is healed after (01.3).

Run by test_spoilt_disks.py, in a mount namespace of its own: nothing stays mounted, however it ends.
"""

import subprocess

import pytest

from recording_storage import healing, zone
from support.zone_healing_suite import WHOLE, found, known
from support.zone_suite import CLIENT, FIRST, RECORDING, SECOND, SET, anything, held, only

MIB = bytes(2**20)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=30)


def unmount(point):
    subprocess.run(["umount", str(point)], check=True, capture_output=True, timeout=30)


@pytest.fixture
async def zones(tmp_path, wounds):
    disk = tmp_path / "a"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m,mode=0700", "konci-zone", str(disk))
    places = zone.Place(str(disk)), zone.Place(str(tmp_path / "b"))
    both = zone.open_zones(zone.ZoneSettings(places), lambda *wound: wounds.append(wound))
    await both.prepare(SET, is_new=True)
    return both


async def test_a_full_zone_takes_nothing_and_gives_what_it_has(zones, tmp_path):
    assert await zones.put(FIRST, MIB) == {"a", "b"}
    (tmp_path / "a" / "ballast").write_bytes(bytes(2**20))
    assert await zones.put(SECOND, MIB) == {"b"}
    assert await held(zones, "a", zone.prefix(CLIENT, RECORDING)) == [FIRST]
    assert await zones.read("a", FIRST, anything) == MIB
    (tmp_path / "a" / "ballast").unlink()
    assert await healing.heal(zones, SECOND, only(MIB)) == {"a"}
    assert await zones.read("a", SECOND, anything) == MIB


async def test_what_a_full_zone_held_is_not_spoilt_by_a_write_that_fails(zones, tmp_path):
    await zones.put(FIRST, MIB)
    (tmp_path / "a" / "ballast").write_bytes(bytes(2**20))
    assert await zones.put(FIRST, bytes(2**20 + 2**14)) == {"b"}
    assert await zones.read("a", FIRST, anything) == MIB


async def test_a_read_only_zone_takes_nothing_and_gives_what_it_has(zones, tmp_path):
    await zones.put(FIRST, b"x")
    mount("-o", "remount,ro", str(tmp_path / "a"))
    assert await zones.put(SECOND, b"y") == {"b"}
    assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"b"}  # never "done" in a zone that kept it
    assert await held(zones, "a") == [FIRST]
    mount("-o", "remount,rw", str(tmp_path / "a"))
    assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"a", "b"}
    assert await held(zones, "a") == []


async def test_a_disk_that_is_not_mounted_is_not_written_beside(zones, tmp_path, wounds):
    lengths = WHOLE.lengths()
    disk, elsewhere = tmp_path / "a", tmp_path / "elsewhere"
    elsewhere.mkdir()
    mount("--bind", str(disk), str(elsewhere))
    unmount(disk)
    for path, length in lengths.items():
        assert await zones.put(path, bytes(length)) == {"b"}
    assert await zones.get(SECOND, anything) == bytes(lengths[SECOND])
    assert wounds == []  # a zone that has just failed is asked last
    assert list(disk.iterdir()) == []
    mount("--bind", str(elsewhere), str(disk))
    told = await healing.of_recording(zones, WHOLE, known(RECORDING))
    assert told == [healing.Difference("a", path, "missing") for path in lengths]
    for one in told:
        await healing.heal(zones, one.path, only(bytes(lengths[one.path])))
    assert await found(zones, WHOLE) == []
