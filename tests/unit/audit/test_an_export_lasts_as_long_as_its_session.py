"""04.1, invariant 11: who is let in no longer gets no more of an export, and an answer where there is none yet."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from audit.delivery import Delivery, Order
from audit.export import Format
from audit.search import Search
from events.access import Outcome
from guard import errors, standing
from guard.identity import Caller

CALLER = Caller("user", str(uuid4()), "u", uuid4(), session_id=uuid4())


class Stage:
    """An export of no row, whose reader takes nothing; `fault` is raised at the look of this number."""

    def __init__(self, look: int, fault: Exception | None = None) -> None:
        self.looks = 0
        self.sent: list[str] = []
        self.said: list[Outcome] = []
        self.is_told = asyncio.Event()
        self._look = look
        self._fault = fault
        door: Any = self
        revocations: Any = self
        order = Order(CALLER, Search(), Format.CSV, uuid4())
        self.delivery = Delivery(door, revocations, order, ([], False))

    async def is_over(self, caller: Caller) -> bool:
        assert caller is CALLER
        self.looks += 1
        if self.looks >= self._look and self._fault is not None:
            raise self._fault
        return self.looks >= self._look

    def entry(self) -> "Stage":
        return self

    @asynccontextmanager
    async def open(self, *_: Any) -> Any:
        told = SimpleNamespace(outcome=Outcome.ALLOWED, touch=lambda *_: None)
        yield told
        self.said.append(told.outcome)
        self.is_told.set()

    async def send(self, message: Any) -> None:
        self.sent.append(message["type"])
        if "body" in message:
            await asyncio.Event().wait()

    async def receive(self) -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def deliver(self, spec: str) -> None:
        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": spec}}
        await asyncio.wait_for(self.delivery(scope, self.receive, self.send), 5)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK", 0.005)


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("fault", [None, errors.Unavailable()])
async def test_it_ends_while_its_reader_takes_nothing(fault: Exception | None, spec: str) -> None:
    stage = Stage(3, fault)
    await stage.deliver(spec)
    assert stage.sent == ["http.response.start", "http.response.body"]
    await asyncio.wait_for(stage.is_told.wait(), 5)
    assert stage.said == [Outcome.FAILED]


@pytest.mark.parametrize("fault", [None, errors.Unavailable()])
async def test_before_its_first_byte_it_is_an_answer(fault: Exception | None) -> None:
    stage = Stage(1, fault)
    with pytest.raises(errors.Unauthenticated if fault is None else errors.Unavailable):
        await stage.deliver("2.4")
    assert stage.sent == []
    await asyncio.wait_for(stage.is_told.wait(), 5)
    assert stage.said == [Outcome.FAILED]
