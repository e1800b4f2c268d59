"""The soak's plan and failpoints (04.4): one seed, one order; a point that is gone from the code is not passed over."""

import asyncio
import importlib
from collections import Counter

import pytest

from soak import failpoint, faults, plan
from soak.failpoint import POINTS, Point
from soak.plan import Sizes
from support import brisk, recording_points


def test_another_seed_is_another_order():
    one, other = plan.make(1, Sizes()), plan.make(2, Sizes())
    assert [deed.name for deed in one.kills] != [deed.name for deed in other.kills]
    assert [deed.name for deed in one.faults] != [deed.name for deed in other.faults]


def test_the_same_seed_is_the_same_run():
    assert plan.make(7, Sizes()) == plan.make(7, Sizes())
    assert plan.make(7, Sizes.cut(3)) == plan.make(7, Sizes.cut(3))


@pytest.mark.parametrize("sizes", [Sizes(), Sizes.cut(3)], ids=["whole", "cut"])
def test_everything_happens_in_every_run(sizes: Sizes):
    made = plan.make(3, sizes)
    assert len(made.kills) == sizes.kills
    assert {deed.name for deed in made.kills} == set(plan.VICTIMS)
    assert Counter(deed.name for deed in made.failpoints) == dict.fromkeys(POINTS, sizes.hits)
    assert sorted(deed.name for deed in made.faults) == sorted(faults.FAULTS)
    assert all(list(deeds) == sorted(deeds, key=lambda deed: deed.at) for deeds in (made.kills, made.faults))
    assert all(0 <= deed.at < 1 for deeds in (made.kills, made.failpoints, made.faults) for deed in deeds)


def test_the_whole_is_what_was_promised():
    sizes = Sizes()
    assert (sizes.accesses, sizes.kills, sizes.stop_seconds, sizes.joins) == (100_000, 200, 60.0, 20)
    assert (sizes.poison, sizes.poison + sizes.beside_poison, sizes.storm_seconds) == (50, 10_000, 60.0)


@pytest.mark.parametrize("name", [*POINTS, *recording_points.POINTS])
def test_each_point_is_in_the_code(name: str, monkeypatch: pytest.MonkeyPatch):
    point = (POINTS | recording_points.POINTS)[name]
    _restored(point, monkeypatch)
    failpoint.arm(point, 1, lambda: None)


def test_each_interval_of_a_quickened_copy_is_in_the_code():
    for module, pace in brisk.PACE.items():
        owner = importlib.import_module(f"recording_storage.{module}")
        for name, value in pace.items():
            assert isinstance(getattr(owner, name), type(value))


def _restored(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, _, name = f"{point.module}.{point.name}".rpartition(".")
    module, _, holder = owner.rpartition(".")
    target = __import__(point.module, fromlist=["_"])
    target = getattr(target, holder) if module == point.module else target
    monkeypatch.setattr(target, name, getattr(target, name))


def test_a_point_that_is_gone():
    with pytest.raises(AttributeError):
        failpoint.arm(Point("audit", "audit.store", "no_such_function"), 1, lambda: None)


class Relay:
    """Something to strike."""

    async def claim(self, rows: list[int]) -> list[int]:
        return rows


async def test_only_calls_that_count_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Relay, "claim", Relay.claim)
    struck: list[int] = []
    point = Point("x", __name__, "Relay.claim", counts=lambda _, rows: bool(rows))
    monkeypatch.setattr(
        failpoint.importlib, "import_module", lambda _: __import__("types").SimpleNamespace(Relay=Relay)
    )
    failpoint.arm(point, 2, lambda: struck.append(1))
    relay = Relay()
    for rows, strikes in (([], 0), ([1], 0), ([], 0), ([2], 1), ([3], 1)):
        assert await relay.claim(rows) == rows
        await asyncio.sleep(0)
        assert len(struck) == strikes
