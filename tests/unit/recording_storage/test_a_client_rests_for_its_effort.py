"""01.3, 05.4: what examining costs is made good by its client, with all its uploads; and nobody else waits for it."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest

from recording_storage.audio import NotAudio
from recording_storage.effort import _AT_ONCE, _FOR_EACH, Effort

OTTER, HERON = uuid4(), uuid4()


class Day:
    """Time that passes by work and by rest alone."""

    def __init__(self) -> None:
        self.now = self.worked = self.rested = 0.0
        self.effort = Effort(lambda: self.now, lambda: self.worked, self.sleep)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.rested += seconds
        self.now += seconds

    def work(self, seconds: float) -> float:
        self.now += seconds
        self.worked += seconds
        return seconds

    async def spend(self, seconds: float, client=OTTER) -> float:
        return await self.effort.spend(client, lambda: self.work(seconds))


@pytest.fixture
def day() -> Day:
    return Day()


async def test_a_call_of_an_hour_does_not_rest(day: Day) -> None:
    for _ in range(60):  # MiB of MP3
        assert await day.spend(0.005) == 0.005
    assert day.rested == 0


@pytest.mark.parametrize("uploads", [1, 20])
async def test_all_uploads_of_a_client_have_a_fifth(day: Day, uploads: int) -> None:
    async def upload() -> None:
        for _ in range(200 // uploads):
            await day.spend(0.2)

    await asyncio.gather(*[upload() for _ in range(uploads)])
    assert day.worked == pytest.approx(40)
    assert 0 <= day.worked * _FOR_EACH - day.now <= _AT_ONCE + 0.2 * _FOR_EACH


async def test_another_client_comes_before_the_next_of_one(day: Day) -> None:
    loop, may_begin, order = asyncio.get_running_loop(), asyncio.Event(), []

    def work(name: str) -> None:
        asyncio.run_coroutine_threadsafe(may_begin.wait(), loop).result(5)
        order.append(name)

    orders = [("o", OTTER), ("o", OTTER), ("o", OTTER), ("h", HERON)]
    working = [asyncio.create_task(day.effort.spend(client, partial(work, name))) for name, client in orders]
    await asyncio.sleep(0)  # each has asked
    may_begin.set()
    await asyncio.gather(*working)
    assert order == ["o", "h", "o", "o"]


async def test_another_client_does_not_rest(day: Day) -> None:
    await day.spend(100)
    await day.spend(0.1, HERON)
    assert day.rested == 0


async def test_what_was_refused_was_work(day: Day) -> None:
    def refuse() -> None:
        day.work(10)
        raise NotAudio("no")

    with pytest.raises(NotAudio):
        await day.effort.spend(OTTER, refuse)
    await day.spend(0)
    assert day.rested == pytest.approx(10 * _FOR_EACH - 10 - _AT_ONCE)


async def test_who_leaves_and_comes_again_has_still_to_rest(day: Day) -> None:
    await day.spend(10)
    resting = asyncio.Event()

    async def hang(_: float) -> None:
        resting.set()
        await asyncio.Event().wait()

    day.effort._sleep = hang
    leaving, behind = (asyncio.create_task(day.spend(1)) for _ in range(2))
    await asyncio.wait_for(resting.wait(), 5)
    day.effort._sleep = day.sleep
    leaving.cancel()
    assert await asyncio.wait_for(behind, 5) == 1  # the turn was given back
    assert leaving.cancelled()
    assert day.worked == 11
    assert day.rested == pytest.approx(10 * _FOR_EACH - 10 - _AT_ONCE)


async def test_who_leaves_while_it_is_worked_for_him_has_it_counted(day: Day) -> None:
    loop, began, may_end = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def work() -> None:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(5)
        day.work(10)

    leaving = asyncio.create_task(day.effort.spend(OTTER, work))
    await asyncio.wait_for(began.wait(), 5)
    leaving.cancel()
    await asyncio.wait({leaving})
    may_end.set()
    await day.spend(0, HERON)  # by the same thread: so it has ended
    await day.spend(0)
    assert day.rested == pytest.approx(10 * _FOR_EACH - 10 - _AT_ONCE)


async def test_who_has_rested_is_forgotten(day: Day) -> None:
    await day.spend(1)
    day.now += 1000
    await day.spend(1, HERON)
    assert list(day.effort._until) == [HERON]
    assert not day.effort._turns
