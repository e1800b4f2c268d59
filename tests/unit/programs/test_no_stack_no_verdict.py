"""05.2: what judges, measures or breaks a stack says in one line why it had none, and exits 2: no verdict at all."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx2
import pytest

import judges.__main__ as judging
import mutation.__main__ as mutating
import performance.__main__ as measuring
import soak.__main__ as soaking
from mutation.mutant import Mutant
from mutation.stand import Stand
from mutation.twin import Twin
from pentest import target
from pentest.target import NotATarget
from soak import clock, disks
from stack.settings import Stack, StackError
from support import standing
from support.machine import Machine

FAILURES = [
    AssertionError("konci up ended 1:\n\nkafka: it is stopped\n"),
    AssertionError(),
    subprocess.TimeoutExpired("konci", 400),
    FileNotFoundError("ca.pem"),
    httpx2.ConnectError("refused"),
    asyncpg.TooManyConnectionsError("enough"),
    StackError("the port is taken"),
    NotATarget("the stack runs another build of auth than this tree"),
]


def quiet(*_: object, **__: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess([], 0, "", "")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No process is started, and no stack of this tree is touched."""
    monkeypatch.setattr(Machine, "konci", quiet)
    monkeypatch.delenv("KONCI_TEST_KEEP", raising=False)
    monkeypatch.setenv("KONCI_TEST_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(clock, "library", lambda: Path("libfaketime.so"))
    monkeypatch.setattr(disks, "place", disks.of)
    monkeypatch.setattr(soaking, "REPO", tmp_path)
    monkeypatch.setattr(soaking.asyncio, "run", lambda work: work.close())
    monkeypatch.setattr(sys, "argv", ["make"])
    (tmp_path / "reports").mkdir()


def judge() -> int:
    return judging.main(["tls"])


def bench() -> int:
    return measuring.main()


def soak() -> int:
    return soaking.main(["--minutes", "1", "--seed", "4"])


PROGRAMS = [judge, bench, soak]
PROGRESS = ("seed ", "judges: bringing up", "the stack starts")


def assert_one_line(told: pytest.CaptureFixture[str], said: str) -> None:
    whole = "".join(told.readouterr())
    assert said in whole
    assert "Traceback" not in whole
    lines = [line for line in whole.splitlines() if not line.startswith(PROGRESS)]
    assert len(lines) == 1, lines


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_stack_that_does_not_come_up(program, failure, monkeypatch, capsys) -> None:
    def up(_: Machine) -> None:
        raise failure

    monkeypatch.setattr(Machine, "up", up)
    assert program() == 2
    assert_one_line(capsys, "did not come up (")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_stack_of_another_version(program, monkeypatch, capsys) -> None:
    def check(_: Stack) -> dict[str, str]:
        raise NotATarget("the stack runs another build of auth than this tree")

    monkeypatch.setattr(target, "check", check)
    assert program() == 2
    assert_one_line(capsys, "another build of auth")


@pytest.mark.parametrize("program", [bench, soak])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_hotel_that_is_not_founded(program, failure, monkeypatch, capsys) -> None:
    def found(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(target, "check", lambda _: {})
    monkeypatch.setattr(soaking.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(soaking, "Patient", lambda **_: None)
    monkeypatch.setattr(measuring, "found", found)
    monkeypatch.setattr(soaking, "found", found)
    assert program() == 2
    assert_one_line(capsys, "no hotel can be founded")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_judge_without_what_it_needs(failure, monkeypatch, capsys) -> None:
    def tls(_: Machine) -> None:
        raise failure

    monkeypatch.setattr(target, "check", lambda _: {})
    monkeypatch.setitem(judging.ON_A_STACK, "tls", tls)
    assert judge() == 2
    assert_one_line(capsys, "tls: NOT JUDGED: ")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_mutants_without_a_stack(failure, monkeypatch, capsys) -> None:
    def up(_: Stand) -> None:
        raise failure

    monkeypatch.setattr(Twin, "make", quiet)
    monkeypatch.setattr(Stand, "down", quiet)
    monkeypatch.setattr(Stand, "up", up)
    mutant = Mutant(name="m", safeguard="s", control="01.1", killers=("tests/integration/x.py",))
    monkeypatch.setattr(mutating, "load", lambda: [mutant])
    assert mutating.main() == 2
    assert_one_line(capsys, "the stack does not come up (")


def test_a_defect_of_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError), standing.needed("a stack"):
        raise KeyError
