"""A log that its writer holds open does not fill the disk; nothing goes that the collector may not have read (02.4)."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack import process, rotation
from stack.process import Process
from stack.rotation import KEPT, Log
from stack.settings import Stack

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def stack() -> Stack:
    return Stack.here()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, signal.Signals]]:
    """What programs were told, all of which live."""
    said: list[tuple[str, signal.Signals]] = []
    monkeypatch.setattr(process, "living", lambda _: [Process("envoy", 1), Process("openbao", 2)])
    monkeypatch.setattr(process, "tell", lambda _, name, number: said.append((name, number)))
    return said


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Log]:
    def made(length: int, *ages: timedelta, least_age: timedelta = timedelta(0)) -> Log:
        path = tmp_path / "a.log"
        path.write_bytes(b"x" * length)
        for age in ages:
            old = tmp_path / f"a.log-{NOW - age:%Y%m%dT%H%M%S}"
            old.write_bytes(b"old")
            at = (NOW - age).timestamp()
            os.utime(old, (at, at))
        return Log(path, "envoy", signal.SIGUSR1, least_age)

    return made


def test_a_short_one_is_left(stack, log, told):
    one = log(100)
    rotation.step(stack, one, NOW, long=100)
    assert one.path.exists()
    assert not one.aside()
    assert not told


def test_a_long_one_is_set_aside_and_its_writer_told(stack, log, told):
    one = log(101)
    rotation.step(stack, one, NOW, long=100)
    assert not one.path.exists()
    assert [aside.read_bytes() for aside in one.aside()] == [b"x" * 101]
    assert told == [("envoy", signal.SIGUSR1)]


def test_not_while_its_writer_is_away(stack, log, told, monkeypatch):
    monkeypatch.setattr(process, "living", lambda _: [])
    one = log(101)
    rotation.step(stack, one, NOW, long=100)
    assert one.path.exists()


def test_not_behind_a_link(stack, log, told, tmp_path):
    one = log(101)
    one.path.rename(tmp_path / "elsewhere")
    one.path.symlink_to(tmp_path / "elsewhere")
    rotation.step(stack, one, NOW, long=100)
    assert one.path.is_symlink()
    assert not one.aside()


def test_killed_before_it_told_the_writer_it_tells_him_later(stack, log, told):
    one = log(101)
    rotation.step(stack, one, NOW, long=100)
    told.clear()
    rotation.step(stack, one, NOW + timedelta(minutes=1), long=100)
    assert told == [("envoy", signal.SIGUSR1)]
    assert len(one.aside()) == 1


def test_a_writer_that_never_wrote_is_not_told(stack, log, told):
    one = log(0)
    one.path.unlink()
    rotation.step(stack, one, NOW)
    assert not told


def test_the_oldest_go(stack, log, told):
    one = log(0, *[hours * timedelta(hours=1) for hours in range(1, KEPT + 3)])
    rotation.step(stack, one, NOW)
    assert [aside.name[-6:] for aside in one.aside()] == ["080000", "090000", "100000", "110000"]


def test_what_may_not_be_read_yet_stays(stack, log, told):
    one = log(0, *[days * DAY for days in range(10, 10 + KEPT + 4)], least_age=14 * DAY)
    rotation.step(stack, one, NOW)
    assert len(one.aside()) == KEPT + 1  # 10 to 14 days; those of 15 to 17 are gone


def test_how_it_is_for_both(stack):
    gateway, openbao = rotation.logs(stack)
    assert (gateway.reopen, openbao.reopen) == (signal.SIGUSR1, signal.SIGHUP)
    assert openbao.least_age == 14 * DAY
