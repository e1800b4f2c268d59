"""05.4, 04.4: however much an export holds, others get their turn."""

import asyncio
import weakref
from types import SimpleNamespace

import pytest

from audit import access_event, delivery, store
from audit.export import Format
from audit.search import Search
from events.access import AccessEvent, Action, Actor, Outcome, new_salt
from events.uuid7 import uuid7
from guard.clock import Clock

MOST = 1000  # resources of one event (events.access)
CLIENT = uuid7()


def event() -> AccessEvent:
    now = Clock().now()
    return AccessEvent(
        event_id=uuid7(now), occurred_at=now, service="tenant_data", client_id=CLIENT, salt=new_salt(),
        actor=Actor(type="user", id="u", label="u"), action=Action.GUEST_READ, ip="203.0.113.7", request_id="r",
    )  # fmt: skip


class Rows:
    """A connection whose every event has as many resources as asked for: `cursor` and `fetch` hand over its rows."""

    def __init__(self, count: int, resources: int) -> None:
        self._rows = [{"event_id": uuid7(), "resource_ids": ["r"] * resources} for _ in range(count)]
        self.handed_over = 0

    async def execute(self, statement: str) -> None:
        assert statement.startswith("SET LOCAL ")

    async def cursor(self, statement: str, *values: object) -> "Rows":
        return self

    async def fetch(self, asked: object, *values: object) -> list[dict]:
        count = asked if isinstance(asked, int) else len(self._rows)
        rows = self._rows[self.handed_over : self.handed_over + count]
        self.handed_over += len(rows)
        return rows


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many resources were converted between two turns of the loop, while a test runs `beside` it."""
    counted = [0]

    class Event:
        def __init__(self, row: dict) -> None:
            self.event_id, self.resources = row["event_id"], row["resource_ids"]
            counted[-1] += len(self.resources)

    monkeypatch.setattr(access_event, "of_row", Event)
    return counted


async def beside(turns: list[int], work) -> object:
    """What `work` gives; each turn of the loop beside it begins a new count."""

    async def turn() -> None:
        while True:
            turns.append(0)
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    try:
        return await work
    finally:
        turning.cancel()


async def test_others_get_their_turn_within_an_export(turns: list[int]) -> None:
    page, _ = await beside(turns, delivery.page_of(Rows(1000, MOST), CLIENT, Search()))
    assert len(page) * MOST == sum(turns)
    assert max(turns) <= 2 * MOST


async def test_others_get_their_turn_within_a_list(turns: list[int]) -> None:
    page = await beside(turns, store.page(Rows(201, MOST), CLIENT, Search(), 201))
    assert len(page) * MOST == sum(turns)
    assert max(turns) <= 2 * MOST


class TestPageOfAnExport:
    @pytest.mark.parametrize("resources", [200, MOST])
    async def test_of_events_with_many_resources(self, turns: list[int], resources: int) -> None:
        rows = Rows(1000, resources)
        page, has_more = await delivery.page_of(rows, CLIENT, Search())
        assert has_more
        assert sum(turns) < delivery.EXPORT_RESOURCES + MOST
        assert rows.handed_over < len(page) + store._AT_ONCE

    async def test_of_many_small_events(self, turns: list[int]) -> None:
        page, has_more = await delivery.page_of(Rows(delivery.EXPORT_PAGE + 7, 1), CLIENT, Search())
        assert (len(page), has_more) == (delivery.EXPORT_PAGE, True)

    @pytest.mark.parametrize("count", [0, 1, store._AT_ONCE - 1, store._AT_ONCE, store._AT_ONCE + 1])
    async def test_of_all_that_there_are(self, turns: list[int], count: int) -> None:
        page, has_more = await delivery.page_of(Rows(count, 1), CLIENT, Search())
        assert (len(page), has_more) == (count, False)


async def test_while_its_reader_is_slow_only_the_text_of_a_page_is_held() -> None:
    page = [event()]
    held = weakref.ref(page[0])
    order = delivery.Order(None, Search(), Format.CSV, uuid7())
    pieces = delivery.Delivery(None, None, order, (page, True)).body_iterator
    del page
    assert (await anext(pieces)).startswith('"id"')
    assert held() is not None
    assert "guest:read" in await anext(pieces)
    assert held() is None


async def test_one_that_is_read_for_ever_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = asyncio.Event()
    ended: list[Outcome] = []

    async def record(_: object, outcome: Outcome) -> None:
        ended.append(outcome)
        settled.set()

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    async def is_over(_: object) -> bool:
        return False

    monkeypatch.setattr(delivery, "_LONGEST", 0.05)
    monkeypatch.setattr(delivery.Delivery, "_record", record)
    order = delivery.Order(None, Search(), Format.CSV, uuid7())
    made = delivery.Delivery(None, SimpleNamespace(is_over=is_over), order, ([event()], True))
    await asyncio.wait_for(made({"type": "http", "asgi": {"spec_version": "2.4"}}, never, never), 10)
    await asyncio.wait_for(settled.wait(), 10)
    assert ended == [Outcome.FAILED]  # its end is in the log
