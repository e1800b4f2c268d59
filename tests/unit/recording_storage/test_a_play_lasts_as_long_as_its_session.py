"""04.1, invariant 11: who is let in no longer hears no more of a play, however slowly he listens."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from events.access import Outcome
from guard import errors, standing
from guard.identity import Caller
from recording_storage import playing
from recording_storage.playing import Order, Playing
from recording_storage.recording import RecordingRow

PIECES = 16
LENGTH = PIECES * playing._PIECE
CALLER = Caller("user", str(uuid4()), "u", uuid4(), session_id=uuid4())


class Sessions:
    """The caller's is over at the looks of these numbers: what was revoked is forgotten in the end."""

    def __init__(self, *over: int, fault: Exception | None = None) -> None:
        self.looks = 0
        self._over = over
        self._fault = fault

    async def is_over(self, caller: Caller) -> bool:
        assert caller is CALLER
        self.looks += 1
        if self.looks in self._over and self._fault is not None:
            raise self._fault
        return self.looks in self._over


class Stage:
    """A play of one segment, and what its log and its listener got."""

    def __init__(self, sessions: Sessions) -> None:
        self.said: list[tuple[Outcome, str]] = []
        self.sent: list[int] = []
        self.is_told = asyncio.Event()
        self.leaves = asyncio.Event()
        self.is_heard = asyncio.Event()
        self.listens: Callable[[], Awaitable[Any]] = lambda: asyncio.sleep(0.002)
        archive: Any = SimpleNamespace(zones=None, keys=None, revocations=sessions)
        door: Any = SimpleNamespace(door=self)
        row = RecordingRow(uuid4(), uuid4(), None, LENGTH, b"\0" * 32, "audio/wav", 1, None, None, None)
        self.playing = Playing(archive, door, Order(CALLER, row, "vault:v1:x", None, uuid4()))
        reader: Any = self
        self.playing._reader = reader

    def entry(self) -> "Stage":
        return self

    @asynccontextmanager
    async def open(self, *_: Any) -> Any:
        told = SimpleNamespace(outcome=Outcome.ALLOWED, text="", touch=lambda *_: None)
        told.note = lambda text: setattr(told, "text", text)
        yield told
        self.said.append((told.outcome, told.text))
        self.is_told.set()

    async def read(self, _: Any) -> Any:
        yield memoryview(bytes(LENGTH))

    async def close(self) -> None:
        return

    async def send(self, message: Any) -> None:
        if "body" in message:
            await self.listens()
            self.sent.append(len(message["body"]))
            self.is_heard.set()

    async def receive(self) -> dict[str, str]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def play(self) -> None:
        await asyncio.wait_for(self.playing({"type": "http"}, self.receive, self.send), 5)
        await self.ended()

    async def ended(self) -> None:
        """Its outcome is in the log, once, and no task is left."""
        await asyncio.wait_for(self.is_told.wait(), 5)
        for _ in range(10):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(self.said) == 1


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK", 0.005)


async def test_it_is_over_before_the_first_byte() -> None:
    stage = Stage(Sessions(1))
    await stage.play()
    assert stage.said == [(Outcome.ALLOWED, "cut, 0 bytes")]


async def test_it_ends_in_the_middle_of_a_segment_and_is_forgotten_then() -> None:
    stage = Stage(Sessions(2))
    await stage.play()
    assert 0 < sum(stage.sent) < LENGTH
    assert stage.said == [(Outcome.ALLOWED, f"cut, {sum(stage.sent)} bytes")]


async def test_it_ends_while_its_listener_takes_nothing() -> None:
    stage = Stage(Sessions(3))
    stage.listens = asyncio.Event().wait
    await stage.play()
    assert stage.said == [(Outcome.ALLOWED, "cut, 0 bytes")]


@pytest.mark.parametrize("look", [2, 3, 4])
async def test_not_a_piece_after_the_look(monkeypatch: pytest.MonkeyPatch, look: int) -> None:
    """Nor that which was due at that very moment."""
    monkeypatch.setattr(standing, "LOOK", 0)
    sessions = Sessions(look)
    stage = Stage(sessions)

    async def listens() -> None:
        assert sessions.looks < look
        await asyncio.sleep(0)

    stage.listens = listens
    await stage.play()
    assert stage.said == [(Outcome.ALLOWED, f"cut, {sum(stage.sent)} bytes")]


@pytest.mark.parametrize("look", [1, 2])
async def test_nobody_can_say(look: int) -> None:
    stage = Stage(Sessions(look, fault=errors.Unavailable()))
    stage.listens = asyncio.Event().wait
    await stage.play()
    assert stage.said == [(Outcome.FAILED, "failed, 0 bytes")]


async def test_what_looks_is_broken() -> None:
    stage = Stage(Sessions(2, fault=ValueError("a mistake of ours")))
    stage.listens = asyncio.Event().wait
    with pytest.raises(ValueError, match="a mistake"):
        await stage.play()
    await stage.ended()
    assert stage.said == [(Outcome.FAILED, "failed, 0 bytes")]


async def test_its_listener_leaves() -> None:
    stage = Stage(Sessions())
    stage.leaves.set()
    await stage.play()
    assert stage.said[0][1].startswith("cut, ")


async def test_its_server_stops() -> None:
    stage = Stage(Sessions())
    serving = asyncio.ensure_future(stage.playing({"type": "http"}, stage.receive, stage.send))
    await asyncio.wait_for(stage.is_heard.wait(), 5)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await stage.ended()
    assert stage.said == [(Outcome.ALLOWED, f"cut, {sum(stage.sent)} bytes")]


async def test_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "_LONGEST", 0.03)
    stage = Stage(Sessions())
    stage.listens = asyncio.Event().wait
    await stage.play()
    assert stage.said == [(Outcome.ALLOWED, "cut, 0 bytes")]


async def test_whose_session_lasts() -> None:
    sessions = Sessions()
    stage = Stage(sessions)
    await stage.play()
    assert stage.said == [(Outcome.ALLOWED, f"complete, {LENGTH} bytes")]
    assert sum(stage.sent) == LENGTH
    assert sessions.looks > 1  # by the clock, not by the segment
