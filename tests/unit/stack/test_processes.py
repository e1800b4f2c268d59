"""Only processes that this stack started are ever signalled: a number that the kernel gave to another is not ours."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack import process
from stack.settings import Stack


@pytest.fixture
def stack(tmp_path):
    stack = Stack(run=tmp_path)
    process.folder(stack).mkdir()
    return stack


@pytest.fixture
def sleeper():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def record(stack, name, text):
    (process.folder(stack) / name).write_text(text)


def stat_of(pid):
    return Path(f"/proc/{pid}/stat").read_text()


def test_another_process_with_our_number_is_left_alone(stack, sleeper):
    head, _, tail = stat_of(sleeper.pid).rpartition(")")
    fields = tail.split()
    fields[19] = str(int(fields[19]) - 1)  # started a moment earlier: the one before it that had this number
    record(stack, "kafka", f"{head}) {' '.join(fields)}")
    assert process.living(stack) == []
    assert process.end(stack, patience=0.2) == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("text", ["", "garbage", "12 (half", "999999999 (x) S 1"])
def test_a_half_written_file_is_no_process(stack, text):
    record(stack, "kafka", text)
    assert process.living(stack) == []
    assert process.end(stack) == []


def test_ours_is_ended_and_its_file_removed(stack, sleeper):
    record(stack, "kafka", stat_of(sleeper.pid))
    assert [found.name for found in process.living(stack)] == ["kafka"]
    assert process.end(stack) == ["kafka"]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert not list(process.folder(stack).iterdir())


def test_one_that_ignores_the_polite_way_is_killed(stack):
    code = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('set', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        record(stack, "kafka", stat_of(child.pid))
        began = time.monotonic()
        assert process.end(stack, patience=0.3) == ["kafka"]
        assert child.wait(5) == -signal.SIGKILL
        assert time.monotonic() - began < 5
