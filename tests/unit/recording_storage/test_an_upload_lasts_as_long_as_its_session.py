"""04.1, invariant 11: who is let in no longer brings in no more of an upload, and it is not stored in his name."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from uuid import uuid4

import pytest

from guard import errors, standing
from guard.identity import Caller
from recording_storage import upload

CALLER = Caller("user", "u", "u", uuid4(), session_id=uuid4())


class Sessions:
    """Ended from the `ends`th look on; None: never."""

    def __init__(self, ends: int | None, *, is_known: bool = True) -> None:
        self.looks = 0
        self._ends = ends
        self._is_known = is_known

    async def is_over(self, caller: Caller) -> bool:
        assert caller is CALLER
        self.looks += 1
        if not self._is_known:
            raise errors.Unavailable
        return self._ends is not None and self.looks >= self._ends


async def received(sessions: Sessions) -> int:
    """How many of three pieces were passed on; below 0 when it was refused in the end."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"

    passed = 0
    try:
        async for _ in upload._while_let_in(SimpleNamespace(revocations=sessions), CALLER, pieces()):
            passed += 1
    except errors.Unauthenticated:
        return -passed
    return passed


async def test_whose_session_ended_while_it_flowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK", -1.0)
    assert await received(Sessions(2)) == -1


async def test_whose_session_ended_before_its_end() -> None:
    assert await received(Sessions(1)) == -3


async def test_nobody_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on, for nothing of it can be seen; it ends there."""
    monkeypatch.setattr(standing, "LOOK", -1.0)
    sessions = Sessions(None, is_known=False)
    with pytest.raises(errors.Unavailable):
        await received(sessions)
    assert sessions.looks == 4


async def test_whose_session_lasts() -> None:
    sessions = Sessions(None)
    assert await received(sessions) == 3
    assert sessions.looks == 1  # not for each piece
