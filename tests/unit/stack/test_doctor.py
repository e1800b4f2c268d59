"""What would make `up` fail is one line that says what to do, before anything is started."""

import os
import shutil
import socket

import pytest

from stack import doctor, run_folder
from stack.settings import Stack, StackError

ALONE = frozenset({"prometheus"})


@pytest.fixture
def stack(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # Far from the kernel's range for outgoing connections, which other tests use.
        return Stack(run=tmp_path / "run", port=23_000 + probe.getsockname()[1] % 500)


def bad(stack, wanted=ALONE):
    return [f"{finding.subject}: {finding.text}" for finding in doctor.examine(stack, wanted) if not finding.ok]


def only(lines, *words):
    assert len(lines) == 1, lines
    assert "\n" not in lines[0]
    for word in words:
        assert word in lines[0], lines[0]


def test_a_port_in_use_names_its_owner(stack):
    with socket.socket() as server:
        server.bind(("127.0.0.1", stack.port_of("prometheus")))
        server.listen()
        only(bad(stack), str(stack.port_of("prometheus")), f"pid {os.getpid()}", "KONCI_PORT")
    assert bad(stack) == []


def test_a_full_disk(stack, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 10**7))
    only(bad(stack), "disk", "0.0 GB free", "KONCI_RUN")


def test_a_missing_program(stack, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(doctor, "tool", _absent)
    lines = bad(stack)
    assert any("prometheus: prometheus is not installed" in line and "make up" in line for line in lines)


def _absent(name, *, hint):
    message = f"{name} is not installed: {hint}"
    raise StackError(message)


def test_a_run_folder_that_cannot_hold_a_socket(tmp_path):
    only(bad(Stack(run=tmp_path / ("x" * 90), port=23_600)), "too long", "KONCI_RUN")


def test_a_run_folder_with_a_character_that_servers_misread(tmp_path):
    only(bad(Stack(run=tmp_path / "it's", port=23_600)), "character", "KONCI_RUN")


def test_a_root_without_its_key(stack):
    stack.folder("bootstrap").mkdir(parents=True)
    (stack.folder("bootstrap") / "root.pem").write_text("a certificate")
    only(bad(stack), "root.key", "--wipe")


def test_data_without_its_root(stack):
    stack.folder("openbao").mkdir(parents=True)
    (stack.folder("openbao") / "trusted").write_text("")
    only(bad(stack), "root.pem", "--wipe")


def test_require_raises_the_first(tmp_path):
    with pytest.raises(StackError, match="run folder"):
        doctor.require(Stack(run=tmp_path / ("x" * 90), port=23_600), ALONE)


def test_somebody_elses_folder_is_neither_used_nor_deleted(stack):
    stack.run.mkdir()
    (stack.run / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match="KONCI_RUN"):
        run_folder.prepare(stack)
    with pytest.raises(StackError, match="not a run folder"):
        run_folder.wipe(stack)
    assert (stack.run / "thesis.txt").exists()
