"""01.3, 03.1, 04.4: recording_storage is killed at every step of its work, and mends itself all that is left of it.

No orphan object, no row without its bytes, no play without its entry, nothing kept beyond its time. `make test` does as
many of the kills as fit, `make soak` all of them; `KONCI_TEST_SEED` repeats a run.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from soak.instance import Instance
from support.brisk import brisk, spare
from support.hotel import Hotel
from support.machine import Machine
from support.recording_load import Load
from support.recording_points import POINTS
from support.recording_verdict import findings, settled

SEED = int(os.environ.get("KONCI_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
IS_WHOLE = "KONCI_TEST_SECONDS" in os.environ
SECONDS = int(os.environ.get("KONCI_TEST_SECONDS", "60"))  # for all of the kills, or else for some of them
AT_RANDOM = 100
_RANDOM = ""
_STRIKES = 60.0  # seconds in which a point is come by
_LASTS = 3.0  # seconds that a copy works before it is killed at random, at most
_MOST = 3  # at which call of it a point strikes, at most


def order() -> list[str]:
    """All kills: each named point, each followed by a random one, then the other random ones."""
    named = random.Random(f"kills {SEED}").sample(list(POINTS), k=len(POINTS))
    return [kill for point in named for kill in (point, _RANDOM)] + [_RANDOM] * (AT_RANDOM - len(named))


@dataclass
class Killer:
    """Kills one copy after the other. The next one has been loaded meanwhile, and waits at its gate."""

    stack: Machine
    folder: Path
    chance: random.Random
    _made: int = 0

    async def each(self, points: Iterable[str]) -> AsyncIterator[tuple[str, bool]]:
        """Of each point: whether a copy was killed there."""
        ahead: tuple[str, Instance] | None = None
        try:
            for point in [*points, None]:
                now, ahead = ahead, None if point is None else (point, self._next(point))
                if now is not None:
                    yield now[0], await self._killed(*now)
        finally:
            if ahead is not None:
                await ahead[1].end()

    def _next(self, point: str) -> Instance:
        self._made += 1
        gate = self.folder / f"gate-{self._made}"
        copy = spare(self.stack, point, self.chance.randint(1, _MOST), self.folder / "hits", gate)
        copy.start()
        return copy

    async def _killed(self, point: str, copy: Instance) -> bool:
        self._open_gate(copy)
        try:
            if point == _RANDOM and await copy.ready():
                await asyncio.sleep(self.chance.uniform(0, _LASTS))
                assert copy.process is not None
                copy.process.kill()
            end = time.monotonic() + _STRIKES
            while copy.is_alive and time.monotonic() < end:  # noqa: ASYNC110 - what kills itself gives no sign
                await asyncio.sleep(0.05)
            return copy.was_killed and (point == _RANDOM or self._said() == [point])
        finally:
            await copy.end()

    def _open_gate(self, copy: Instance) -> None:
        Path(copy.launcher[-1]).touch()

    def _said(self) -> list[str]:
        hits = self.folder / "hits"
        lines = hits.read_text().splitlines() if hits.exists() else []
        hits.unlink(missing_ok=True)
        return lines


async def test_whatever_it_was_doing(newcomers: list[Hotel], alone: Machine, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    load = Load(alone, newcomers, random.Random(f"load {SEED}"))
    began, done = time.monotonic(), list[tuple[str, bool]]()
    async with load.at_work(), aclosing(Killer(alone, tmp_path, random.Random(SEED)).each(order())) as killed:
        async for point, was_killed in killed:
            done.append((point, was_killed))
            print(
                f"{time.monotonic() - began:4.0f} s  {point or 'at random'}", "" if was_killed else "MISSED", flush=True
            )
            if time.monotonic() - began > SECONDS:
                break
    print(f"{len(done)} kills; {dict(load.seen)}")
    last = brisk(alone)
    last.start()
    try:
        assert await last.ready()
        print(f"settled after {await settled(alone, load.hotels)} s")
        assert await findings(load) == [], f"seed {SEED}"
    finally:
        await last.end()
    assert [point for point, was_killed in done if not was_killed] == []
    assert len(done) == len(order()) or not IS_WHOLE, f"KONCI_TEST_SECONDS={SECONDS} was too short for all kills"
    assert len(load.heard) > 10
