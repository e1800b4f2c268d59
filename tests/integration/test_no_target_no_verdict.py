"""05.2: the attack suite says in one line why it attacked nothing, and exits 2: down, half up, another stack or build.

It never reports safety for what it did not reach, and never leaves the loopback.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import guard
from pentest.evidence import Evidence, Probes, Trial
from support.machine import Machine, wait_until
from support.tree import REPO

REPORT = REPO / "reports" / "pentest.json"


def pentest(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The suite as a program, told to attack what it will refuse."""
    folders = [str(folder) for folder in (path, REPO / "tests") if folder]
    before = REPORT.stat().st_mtime_ns if REPORT.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "pentest", *arguments],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (REPORT.stat().st_mtime_ns if REPORT.exists() else None) == before, "a report of an attack that never was"
    return done


def assert_refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert why in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "held" not in done.stdout + done.stderr


def test_no_stack_was_ever_there(tmp_path: Path) -> None:
    assert_refused(pentest("--run", str(tmp_path), "--port", "29000"), "no stack has run in")


def test_a_stack_that_is_down(stack: Machine, tmp_path: Path) -> None:
    shutil.copy(stack.run / "supervisord.conf", tmp_path)
    shutil.copy(stack.run / "ca.pem", tmp_path)
    assert_refused(pentest("--run", str(tmp_path), "--port", "29000"), "is down")


def test_nothing_on_its_port(stack: Machine) -> None:
    assert_refused(pentest("--run", str(stack.run), "--port", "29000"), "nothing answers on port 29000")


def test_another_stacks_port(stack: Machine) -> None:
    """A listener of this stack that is not its gateway: nothing else is where that port would put it."""
    done = pentest("--run", str(stack.run), "--port", str(stack.port_of("openbao")))
    assert_refused(done, "half up")


def test_half_up(stack: Machine) -> None:
    stack.stop("prometheus")
    try:
        done = pentest("--run", str(stack.run), "--port", str(stack.stack.port))
    finally:
        stack.start("prometheus")
        wait_until(lambda: bool(stack.pid("prometheus")), within=30, what="prometheus")
    assert_refused(done, "half up")
    assert "prometheus: it is stopped" in done.stderr


def test_another_build(stack: Machine, tmp_path: Path) -> None:
    shutil.copytree(Path(guard.__path__[0]), tmp_path / "guard")
    (tmp_path / "guard" / "later.py").write_text("# written after the stack was started\n")
    done = pentest("--run", str(stack.run), "--port", str(stack.stack.port), path=tmp_path)
    assert_refused(done, "another build of auth, tenant_data, audit, recording_storage")


def test_other_policies(stack: Machine) -> None:
    noted = stack.run / "configured" / "openbao"
    before = noted.read_text()
    noted.write_text("of another tree")
    try:
        done = pentest("--run", str(stack.run), "--port", str(stack.stack.port))
    finally:
        noted.write_text(before)
    assert_refused(done, "configured from other files of openbao than this tree's")


def test_wrong_use() -> None:
    assert pentest("--host", "192.0.2.1").returncode == 2


def test_nothing_beyond_the_loopback() -> None:
    """Asked of a process of its own, since it cannot be taken back."""
    attempt = (
        "import socket; from pentest import target; target.confine();"
        "socket.create_connection(('192.0.2.1', 443), timeout=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", attempt],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO / "tests")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "refused to reach ('192.0.2.1', 443)" in done.stderr


def test_the_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        attempt = (
            "import socket, sys; from pentest import target; target.confine();"
            "socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)"
        )
        environment = {**os.environ, "PYTHONPATH": str(REPO / "tests")}
        port = str(here.getsockname()[1])
        subprocess.run([sys.executable, "-c", attempt, port], cwd=REPO, env=environment, timeout=60, check=True)


class TestVerdicts:
    def test_an_attack_that_went_through(self) -> None:
        probes = Probes()
        probes.allowed("its owner", True)
        probes.denied("a foreign id", False, "200 OK", route="GET /v1/guests/{guest_id}")
        assert probes.verdict() == "LEAK a foreign id: GET /v1/guests/{guest_id}: 200 OK"

    def test_an_owner_who_failed(self) -> None:
        probes = Probes()
        probes.allowed("its owner", False, "500", on="GET /v1/guests")
        assert probes.verdict().startswith("BROKEN PROBE its owner: GET /v1/guests: 500")

    def test_an_attack_without_a_control(self) -> None:
        probes = Probes()
        probes.denied("a foreign id", True)
        assert "without a control" in probes.verdict()

    def test_a_test_that_said_it_would_attack_and_did_not(self) -> None:
        probes = Probes(must_attack=True)
        assert probes.verdict() == "BROKEN PROBE: nothing was attacked"
        probes.allowed("its owner", True)
        assert probes.verdict() == "BROKEN PROBE: nothing was attacked"
        probes.denied("a foreign id", True)
        assert probes.verdict() == ""

    def test_what_held(self) -> None:
        probes = Probes()
        probes.allowed("its owner", True)
        probes.denied("a foreign id", True)
        assert probes.verdict() == ""

    def test_what_nobody_attacked_is_named(self) -> None:
        evidence = Evidence()
        probes = Probes()
        probes.denied("reading", True, table="auth: client")
        evidence.tests["one"] = Trial("test_one", "test_a", "", probes, outcome="held")
        evidence.tests["two"] = Trial("test_one", "test_b", "", Probes())
        evidence.serves("table", ["auth: client", "auth: new"])
        assert evidence.missed() == ["table auth: new"]
        assert evidence.unreached() == ["test_one: test_b"]
        assert evidence.summary().endswith("0 leaks, 2 not reached")


@pytest.mark.parametrize("verdict", ["held", "leaks", "incomplete"])
def test_the_page_is_whole_and_shows_no_markup_of_what_was_attacked(verdict: str) -> None:
    from pentest import report  # noqa: PLC0415 - beside its only use

    evidence = Evidence()
    probes = Probes()
    probes.allowed("<b>its owner</b>", True)
    probes.denied("<script>alert(1)</script>", verdict != "leaks", "<img src=x>", route="GET /<i>")
    outcome = {"held": "held", "leaks": "leaked", "incomplete": "not reached"}[verdict]
    evidence.tests["one"] = Trial(
        "test_one", "test_a", "01.1: a promise.", probes, outcome=outcome, said=probes.verdict()
    )
    told = report.content(evidence, began=0)
    page = report.page(told)
    assert told["verdict"] == verdict
    assert "<!--" not in page
    for markup in ("<script", "<img", "<i>", "<b>its"):
        assert markup not in page
