"""Exit codes of `python -m <service>`: 0 done, 1 failed, 2 wrong use; told to stop, a service closes what it opened."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from guard import errors, process, telemetry
from guard.settings import Settings

ENVIRONMENT = {
    "KONCI_LISTEN_PORT": "1",
    "KONCI_VAULT": "https://openbao.test",
    "KONCI_DATABASE_PORT": "1",
    "KONCI_DATABASE_NAME": "things",
    "KONCI_KAFKA": "127.0.0.1:1",
    "KONCI_AUTH": "https://auth.test",
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, identity: Callable[..., Path]) -> Callable[..., int]:
    """Runs the process's main with a verb of the test's own; the exit code."""
    monkeypatch.setattr(telemetry, "start", lambda *_, **__: None)
    for name, value in (ENVIRONMENT | {"KONCI_IDENTITY": str(identity("things"))}).items():
        monkeypatch.setenv(name, value)

    def run_verb(work: Any = None, *, verb: str = "work", without: str | None = None) -> int:
        monkeypatch.setattr("sys.argv", ["things", verb])
        if without:
            monkeypatch.delenv(without)
        return process.main("things", Settings, lambda *_: FastAPI(), migrations=Path("/nowhere"), verbs={"work": work})

    return run_verb


async def nothing(*_: object) -> None:
    await asyncio.sleep(0)


def test_done_is_0(run: Callable[..., int]) -> None:
    assert run(nothing) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_closes_and_is_0(run: Callable[..., int], number: signal.Signals) -> None:
    closed = []

    async def work(*_: object) -> None:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), number)
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            closed.append(True)

    assert run(work) == 0
    assert closed == [True]


def test_a_migration_cut_short_is_not_done(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object) -> None:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)

    monkeypatch.setattr(process, "_migrate", slow)
    assert run(nothing, verb="migrate") == 128 + signal.SIGTERM


@pytest.mark.parametrize("fault", [errors.Unavailable(), OSError(98, "Address already in use"), ValueError("marker")])
def test_failed_is_1(run: Callable[..., int], fault: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(*_: object) -> None:
        raise fault

    assert run(work) == 1
    assert "marker" not in capsys.readouterr().err


def test_a_missing_setting_is_2_and_is_named(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(nothing, without="KONCI_AUTH") == 2
    assert "KONCI_AUTH" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["", "nonsense", "--nonsense"])
def test_wrong_use_is_2(run: Callable[..., int], verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(nothing, verb=verb)
    assert ended.value.code == 2


def test_help_has_an_example(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(nothing, verb="--help")
    assert ended.value.code == 0
    assert "example:" in capsys.readouterr().out
