"""03.1: each step of the sweep has its own time: what waits for a zone keeps no key from being destroyed."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from recording_storage import leftover, removal, retention, sweeping
from recording_storage.sweeping import Sweep


async def _nothing(*_: Any) -> int:
    return 0


async def test_what_is_due_goes_while_an_erasing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    swept, is_erasing, may_go_on = 0, asyncio.Event(), asyncio.Event()

    async def erase(*_: Any) -> int:
        is_erasing.set()
        await may_go_on.wait()
        return 0

    async def sweep(_: Any) -> int:
        nonlocal swept
        swept += 1
        return 0

    monkeypatch.setattr(leftover, "sweep", erase)
    monkeypatch.setattr(removal, "finish", erase)
    monkeypatch.setattr(retention, "sweep_expired", sweep)
    monkeypatch.setattr(retention, "sweep_deleted", _nothing)
    monkeypatch.setattr(sweeping, "_prune", _nothing)
    working = asyncio.create_task(Sweep(0.01, 60, timedelta()).run(None, None))
    await asyncio.wait_for(is_erasing.wait(), 5)
    before = swept
    await asyncio.sleep(0.2)
    working.cancel()
    await asyncio.wait({working})
    assert swept >= before + 3


async def test_what_was_due_is_erased_at_once_and_what_is_woken_meanwhile_is_done_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    erased, is_woken, is_due = asyncio.Semaphore(0), asyncio.Event(), [1]
    sweep = Sweep(3600, 60, timedelta())

    async def erase(*_: Any) -> int:
        if not is_woken.is_set():
            is_woken.set()
            sweep.wake()  # while it works
        erased.release()
        return 0

    async def due(_: Any) -> int:
        if is_due:
            await asyncio.sleep(0.1)  # later than the two erasings before
        return is_due.pop() if is_due else 0

    monkeypatch.setattr(leftover, "sweep", _nothing)
    monkeypatch.setattr(removal, "finish", erase)
    monkeypatch.setattr(retention, "sweep_expired", due)
    monkeypatch.setattr(retention, "sweep_deleted", _nothing)
    monkeypatch.setattr(sweeping, "_prune", _nothing)
    working = asyncio.create_task(sweep.run(None, None))
    for _ in range(3):
        await asyncio.wait_for(erased.acquire(), 5)
    working.cancel()
    await asyncio.wait({working})
