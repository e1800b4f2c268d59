"""What two folders keep on their disks: nobody else's to read, there after a power cut, without debris (01.3, 02.1)."""

import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from recording_storage import zone
from recording_storage.holder import up
from support.zone_suite import CLIENT, FIRST, RECORDING, SECOND, SET, anything, held


@pytest.fixture
def synced(monkeypatch):
    """What was synced, one after the other."""
    paths = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: paths.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    return paths


async def test_nobody_else_reads_it(zones, tmp_path):
    mask = os.umask(0o000)
    try:
        await zones.put(FIRST, b"x")
        await zones.settle(zone.prefix(CLIENT, RECORDING), zones.names)
    finally:
        os.umask(mask)
    found = [path for name in zones.names for path in [tmp_path / name, *(tmp_path / name).rglob("*")]]
    assert len(found) == 10
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in found}
    assert modes == {(True, 0o700), (False, 0o600)}


async def test_what_is_settled_outlives_a_power_cut(zones, tmp_path, synced):
    await zones.put(FIRST, b"x")
    await zones.put(SECOND, b"y")
    for root in (tmp_path / "a", tmp_path / "b"):
        assert [path for path in synced if path.is_relative_to(root)] == [root / FIRST, root / SECOND]
    synced.clear()
    assert await zones.settle(zone.prefix(CLIENT, RECORDING), zones.names) == {"a", "b"}
    for root in (tmp_path / "a", tmp_path / "b"):
        assert [path for path in synced if path.is_relative_to(root)] == [*(root / FIRST).parents[:3]]


async def test_a_zone_taken_into_use_outlives_a_power_cut(opened, tmp_path, synced):
    await opened(names=("x/y/a", "x/y/b")).prepare(SET, is_new=True)
    root = tmp_path / "x" / "y" / "a"
    marked = synced.index(root / ".zone")
    assert synced.index(root, marked) > marked
    assert {*root.parents} <= {*synced}


async def test_what_is_not_there_is_settled_nowhere(zones, tmp_path):
    await zones.put(FIRST, b"x")
    shutil.rmtree(tmp_path / "a" / str(CLIENT))
    assert await zones.settle(zone.prefix(CLIENT, RECORDING), zones.names) == {"b"}
    assert up.labels("a")._value.get() == 1  # it answers, and has nothing of it
    shutil.rmtree(tmp_path / "b")
    assert await zones.settle(zone.prefix(CLIENT, RECORDING), zones.names) == frozenset()
    assert up.labels("b")._value.get() == 0


async def test_only_the_zones_that_are_named_are_asked(zones, tmp_path, synced):
    await zones.put(FIRST, b"x")
    synced.clear()
    assert await zones.settle(zone.prefix(CLIENT, RECORDING), {"b"}) == {"b"}
    assert len(synced) == 3
    assert all(path.is_relative_to(tmp_path / "b") for path in synced)


async def test_what_a_killed_process_left_is_hidden_and_then_cleared(zones, tmp_path):
    debris = _killed_while_writing(tmp_path / "a")
    assert debris
    assert await held(zones, "a") == []
    assert await zones.clear_debris(timedelta(hours=1)) == 0
    assert await zones.clear_debris(timedelta(0)) == len(debris)
    assert [path.name for path in (tmp_path / "a").rglob("*")] == [".zone"]


async def test_clearing_leaves_what_is_whole(zones):
    await zones.put(FIRST, b"x")
    assert await zones.clear_debris(timedelta(0)) == 0
    assert await zones.get(FIRST, anything) == b"x"


async def test_erasing_takes_the_debris_of_the_recording_with_it(zones, tmp_path):
    await zones.put(FIRST, b"x")
    (tmp_path / "a" / f"{SECOND}#1").write_bytes(b"half")
    assert await zones.erase(zone.prefix(CLIENT, RECORDING)) == {"a", "b"}
    assert [path.name for path in (tmp_path / "a").rglob("*")] == [".zone"]


KILLED = """
import os, sys, threading, time
from obstore.store import LocalStore
def writer(number):
    store = LocalStore(sys.argv[1])
    while True:
        store.put(f"{sys.argv[2]}/{number:06d}", bytes(2**25), use_multipart=False)
for number in range(4):
    threading.Thread(target=writer, args=(number,), daemon=True).start()
print("writing", flush=True)
time.sleep(60)
"""


def _killed_while_writing(root):
    """Kills a writer until it leaves something half-written; whole objects that it wrote are removed."""
    for _ in range(50):
        command = [sys.executable, "-c", KILLED, str(root), zone.prefix(CLIENT, RECORDING)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.1)
            writer.kill()
        for path in root.glob("*/*/??????"):
            path.unlink()
        if debris := list(root.glob("*/*/*#*")):
            return debris
    raise AssertionError("no writer was caught in the middle")
