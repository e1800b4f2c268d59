"""An upgrade of the database that cannot be had, or not now, is said in a line and stops nobody's `make`."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.settings import REPO

PROGRAMS = {
    "dpkg-query": "echo 15.9",
    "apt-cache": "printf '  Candidate: 15.10\\n'",
    "id": "echo 1000",
    "sudo": "exit 1",
    "pidof": "exit 1",
    "apt-get": "exit 1",
}
Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """The script in a tree where all else is installed already, on a machine where these programs answer so."""
    tree = tmp_path / "tree"
    script = tree / "deploy" / "local" / "install.sh"
    script.parent.mkdir(parents=True)
    script.write_bytes((REPO / "deploy" / "local" / "install.sh").read_bytes())
    (tree / "requirements.lock").write_text("")
    konci = tree / ".venv" / "bin" / "konci"
    konci.parent.mkdir(parents=True)
    konci.touch(mode=0o755)
    stamp = hashlib.sha256(f"{tree}\n".encode() + script.read_bytes()).hexdigest()
    (tree / ".venv" / ".installed").write_text(stamp)

    def run(**changes: str) -> "subprocess.CompletedProcess[str]":
        programs = tmp_path / "programs"
        programs.mkdir()
        for name, answer in (PROGRAMS | changes).items():
            (programs / name).write_text(f"#!/bin/sh\n{answer}\n")
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "TMPDIR": str(tmp_path)}
        return subprocess.run(
            ["bash", str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_without_sudo(install: Install) -> None:
    done = install()
    assert done.returncode == 0, done.stderr
    assert "warning: the stack runs with the older postgresql-15" in done.stderr


def test_while_a_server_runs(install: Install) -> None:
    done = install(pidof="echo 4711", sudo='exec "$@"')
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == (
        "postgresql-15 is older than Debian's, and stays while a server runs: konci down, then make install"
    )
    assert "installing" not in done.stdout


def test_nothing_newer(install: Install) -> None:
    done = install(**{"apt-cache": "printf '  Candidate: 15.9\\n'"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
