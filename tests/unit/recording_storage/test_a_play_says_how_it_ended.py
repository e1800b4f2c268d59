"""04.4: the outcome of a play names the bytes that were sent, and not those that were still to come."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from events.access import Outcome
from guard import errors
from guard.identity import Caller
from recording_storage import playing
from recording_storage.playing import Order, Playing
from recording_storage.recording import RecordingRow
from recording_storage.store import recording as store

LENGTH = 2 * playing._PIECE + 100


class Log:
    """Where outcomes go; `refuses` so many at first."""

    def __init__(self) -> None:
        self.refuses = 0
        self.said: list[tuple[Outcome, str]] = []
        self.is_told = asyncio.Event()

    def entry(self) -> "Log":
        return self

    @asynccontextmanager
    async def open(self, *_: Any) -> Any:
        told = SimpleNamespace(outcome=Outcome.ALLOWED, text="")
        told.note = lambda text: setattr(told, "text", text)
        told.touch = lambda *_: None
        yield told
        self.refuses -= 1
        if self.refuses >= 0:
            raise errors.Unavailable
        self.said.append((told.outcome, told.text))
        self.is_told.set()


class Whole:
    """A reader that has it all in one segment, or loses it after one."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def read(self, _: Any) -> Any:
        yield memoryview(bytes(LENGTH if self.fault is None else playing._PIECE))
        if self.fault is not None:
            raise self.fault

    async def close(self) -> None:
        return


@pytest.fixture
def log() -> Log:
    return Log()


async def play(log: Log, reader: Whole) -> int:
    """Bytes that were sent."""

    async def is_over(_: Any) -> bool:
        return False

    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    archive = SimpleNamespace(zones=None, keys=None, revocations=SimpleNamespace(is_over=is_over))
    caller = Caller("user", str(uuid4()), "u", uuid4(), session_id=uuid4())
    row = RecordingRow(uuid4(), uuid4(), None, LENGTH, b"\0" * 32, "audio/wav", 1, None, None, None)
    made = Playing(archive, SimpleNamespace(door=log), Order(caller, row, "vault:v1:x", None, uuid4()))
    made._reader = reader
    await made({"type": "http"}, asyncio.Event().wait, send)
    await asyncio.wait_for(log.is_told.wait(), 10)
    return sum(map(len, sent))


async def test_complete(log: Log) -> None:
    assert await play(log, Whole()) == LENGTH
    assert log.said == [(Outcome.ALLOWED, f"complete, {LENGTH} bytes")]


async def test_its_end_cannot_be_recorded(log: Log) -> None:
    log.refuses = 1
    sent = await play(log, Whole())
    assert sent == 2 * playing._PIECE
    assert log.said == [(Outcome.FAILED, f"failed, {sent} bytes")]


@pytest.mark.parametrize(("is_there", "said"), [(False, (Outcome.ALLOWED, "cut")), (True, (Outcome.FAILED, "failed"))])
async def test_its_key_is_gone(
    log: Log, monkeypatch: pytest.MonkeyPatch, is_there: bool, said: tuple[Outcome, str]
) -> None:
    async def answer(*_: Any) -> bool:
        return is_there

    monkeypatch.setattr(store, "is_there", answer)
    sent = await play(log, Whole(errors.NotFound()))
    assert log.said == [(said[0], f"{said[1]}, {sent} bytes")]
