"""Invariant 5: what was admitted has one outcome in the log, whoever left and whatever was away when it ended."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from events.access import Outcome
from guard import ending, errors
from guard.ending import Ending


class Log:
    """What was committed; the next commits fail with these, and all wait while it is closed."""

    def __init__(self, *faults: Exception) -> None:
        self.outcomes: list[Outcome] = []
        self.faults = list(faults)
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def record(self, outcome: Outcome) -> None:
        await self.is_open.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.outcomes.append(outcome)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_PAUSE", 0.0)


async def settled() -> None:
    await asyncio.gather(*ending._settling)


async def test_cut() -> None:
    log = Log()
    Ending(uuid4(), log.record).settle()
    await settled()
    assert log.outcomes == [Outcome.FAILED]


async def test_cut_while_the_database_is_away() -> None:
    log = Log(errors.Unavailable(), asyncpg.PostgresError())
    Ending(uuid4(), log.record).settle()
    await settled()
    assert log.outcomes == [Outcome.FAILED]


async def test_whole() -> None:
    log = Log()
    made = Ending(uuid4(), log.record)
    await made.complete()
    assert log.outcomes == [Outcome.ALLOWED]  # in the log before the last piece goes
    made.settle()
    await settled()
    assert log.outcomes == [Outcome.ALLOWED]


async def test_what_cannot_be_recorded_does_not_end_well() -> None:
    log = Log(errors.Unavailable())
    made = Ending(uuid4(), log.record)
    with pytest.raises(errors.Unavailable):
        await made.complete()
    made.settle()
    await settled()
    assert log.outcomes == [Outcome.FAILED]


async def test_a_reader_that_leaves_meanwhile_does_not_undo_it() -> None:
    log = Log()
    log.is_open.clear()
    made = Ending(uuid4(), log.record)
    answer = asyncio.create_task(made.complete())
    await asyncio.sleep(0)
    answer.cancel()
    made.settle()
    await asyncio.sleep(0)
    log.is_open.set()
    await settled()
    assert log.outcomes == [Outcome.ALLOWED]


async def test_one_that_is_never_taken_is_said(caplog: pytest.LogCaptureFixture) -> None:
    admission = uuid4()
    Ending(admission, Log(*[errors.Unavailable()] * 100).record).settle()
    await settled()
    assert caplog.records[-1].levelname == "ERROR"
    assert caplog.records[-1].cause == str(admission)
