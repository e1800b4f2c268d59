"""The two loops that end processes: at random by plan, and at named failpoints in further copies of the services."""

import asyncio
import random
import time

from guard.tls import Certificate
from soak.failpoint import POINTS
from soak.instance import Instance, failing
from soak.plan import Deed
from soak.stage import Stage
from soak.traffic import Asker
from soak.wire import Wire

_BETWEEN = 1.0  # seconds between two kills at least, when several are due
_DRIVERS = 4
_WITHIN = 180.0  # seconds for one failpoint to strike, its service's start included
# Seconds for a copy that may have got only partitions on which no hotel writes: beyond the ten for which Kafka still
# counts a copy that was killed before it.
_WORKLESS = 16.0


async def kill(stage: Stage) -> None:
    """Every kill of the plan, in its order."""
    for deed in stage.plan.kills:
        await stage.until(deed.at)
        await stage.may_kill.wait()
        await stage.kill(deed.name)
        stage.kills[deed.name] += 1
        await asyncio.sleep(_BETWEEN)


async def strike(stage: Stage) -> None:
    """Every failpoint of the plan, in its order. One that does not strike is a finding."""
    for place, deed in enumerate(stage.plan.failpoints):
        await stage.until(deed.at)
        async with stage.failpoint:
            began = time.monotonic()
            if await _struck(stage, deed, place % 2):
                stage.struck[deed.name] += 1
                stage.say(f"failpoint: {deed.name} (call {deed.turn}), {time.monotonic() - began:.1f} s")
            else:
                stage.finds(f"failpoint not hit: {deed.name}")


async def _struck(stage: Stage, deed: Deed, place: int) -> bool:
    point = POINTS[deed.name]
    # The relay's and the consumers' calls are batches: few of them are many events.
    turn = deed.turn if point.name.startswith("Entry") else 1 + deed.turn % 2
    end = time.monotonic() + _WITHIN
    while time.monotonic() < end:
        copy = failing(stage.stack, point.service, place, point=deed.name, turn=turn, hits=stage.hits)
        copy.start()
        try:
            async with asyncio.timeout(max(end - time.monotonic(), 1)):
                await _drive(stage, copy, deed.name)
        except TimeoutError:
            pass
        finally:
            await copy.end()
        if copy.was_killed and deed.name in _said(stage):
            return True
    return False


def _said(stage: Stage) -> list[str]:
    """What the failpoints wrote since the last look."""
    lines = stage.hits.read_text().splitlines() if stage.hits.exists() else []
    stage.hits.write_text("")
    return lines


async def _drive(stage: Stage, copy: Instance, point: str) -> None:
    """Asks the copy until it ends; a copy of audit has its work from the topics."""
    if not await copy.ready():
        return
    if copy.service == "audit":
        # Kafka shares the partitions anew with each member, by chance: the next copy gets others.
        end = time.monotonic() + _WORKLESS
        while copy.is_alive and time.monotonic() < end:  # noqa: ASYNC110 - an ended process gives no other sign
            await asyncio.sleep(0.05)
        return
    await asyncio.gather(*(_driver(stage, copy, point, number) for number in range(_DRIVERS)))


def at_service(stage: Stage, port: int, chance: random.Random, skew: float = 0.0) -> Asker:
    """Who asks a copy as the gateway would."""
    context = Certificate(stage.stack.stack.identity("gateway")).client()
    return Asker(stage, Wire(port, context, "127.0.0.1"), chance, at_service=True, skew=skew)


async def _driver(stage: Stage, copy: Instance, point: str, number: int) -> None:
    asker = at_service(stage, copy.port, random.Random(f"{stage.plan.seed} {point} {number}"))
    try:
        while copy.is_alive:
            hotel = asker.chance.choice(stage.hotels)
            if "refusal" in point:
                await asker.miss(hotel, hotel.agent)
            elif asker.chance.random() < 0.2:
                await asker.create(hotel)
            else:
                await asker.read(hotel, hotel.agent)
    finally:
        asker.wire.close()
