"""Forty GiB are not begun on a disk that has not got them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from performance import recordings
from stack.settings import Stack
from support.machine import Machine
from support.standing import NoStack

STACK = Machine(Stack(run=Path("/nowhere")))


def free(monkeypatch: pytest.MonkeyPatch, mib: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=mib * 2**20))


def test_twenty_uploads_of_a_gib_and_the_one_that_is_played_in_two_zones() -> None:
    assert recordings.needed(1024) >= 21 * 2 * 1024


def test_too_little_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, recordings.needed(1024) - 1)
    with pytest.raises(NoStack, match=r"^recordings of 1024 MiB need 52 GiB below /nowhere, and there are 52 free"):
        recordings.require_room(STACK, 1024)


def test_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, recordings.needed(1024))
    recordings.require_room(STACK, 1024)
