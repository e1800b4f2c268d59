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
from events.access import AccessEvent, Action, Actor, Outcome, new_salt
from events.uuid7 import uuid7
from guard import errors, standing
from guard.clock import Clock
from guard.identity import Caller

START, BODY = "http.response.start", "http.response.body"
NOW = Clock().now()
PAGE = AccessEvent(
    event_id=uuid7(NOW), occurred_at=NOW, service="tenant_data", client_id=uuid7(), salt=new_salt(),
    actor=Actor(type="user", id="u", label="u"), action=Action.GUEST_READ, ip="203.0.113.7", request_id="r",
)  # fmt: skip
CALLER = Caller("user", str(uuid4()), "u", uuid4(), session_id=uuid4())


class Stage:
    """An export whose reader takes nothing, or all at once; from the look of this number on it is over, or `fault`."""

    def __init__(
        self, look: int, fault: Exception | None = None, *, is_slow: bool = True, has_more: bool = True
    ) -> None:
        self.looks = 0
        self.sent: list[str] = []
        self.said: list[Outcome] = []
        self.is_told = asyncio.Event()
        self._look = look
        self._is_slow = is_slow
        self._fault = fault
        door: Any = self
        revocations: Any = self
        order = Order(CALLER, Search(), Format.CSV, uuid4())
        self.delivery = Delivery(door, revocations, order, ([PAGE], has_more))

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
        if "body" in message and self._is_slow:
            await asyncio.Event().wait()

    async def receive(self) -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def deliver(self, spec: str) -> None:
        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": spec}}
        await asyncio.wait_for(self.delivery(scope, self.receive, self.send), 5)

    async def failed(self) -> None:
        await asyncio.wait_for(self.is_told.wait(), 5)
        assert self.said == [Outcome.FAILED]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LOOK", 0.005)


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
async def test_it_ends_while_its_reader_takes_nothing(spec: str) -> None:
    stage = Stage(3)
    await stage.deliver(spec)
    assert stage.sent == [START, BODY]
    await stage.failed()


async def test_nobody_can_say() -> None:
    stage = Stage(3, errors.Unavailable())
    with pytest.raises(errors.Unavailable):
        await stage.deliver("2.4")
    assert stage.sent == [START, BODY]
    await stage.failed()


@pytest.mark.parametrize("has_more", [True, False])
async def test_who_reads_fast_gets_no_page_and_no_end_after_it(monkeypatch: pytest.MonkeyPatch, has_more: bool) -> None:
    monkeypatch.setattr(standing, "LOOK", 60)
    stage = Stage(2, is_slow=False, has_more=has_more)
    await stage.deliver("2.4")
    assert stage.sent == [START, BODY, BODY]  # its header and its first page
    await stage.failed()


@pytest.mark.parametrize("fault", [None, errors.Unavailable()])
async def test_before_its_first_byte_it_is_an_answer(fault: Exception | None) -> None:
    stage = Stage(1, fault)
    with pytest.raises(errors.Unauthenticated if fault is None else errors.Unavailable):
        await stage.deliver("2.4")
    assert stage.sent == []
    await stage.failed()
