"""Clock steps of ten minutes, forward and back, in further copies of tenant_data and audit while they run.

Under a wrong clock a copy may refuse (401, 403, 503) and may not invent; with the right one it serves again by itself.
"""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

from soak.instance import Instance
from soak.stage import Stage
from soak.strikes import at_service
from soak.traffic import Asker

STEP = 600  # seconds
_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")
_SERVES = 60.0  # seconds within which a copy whose clock is right again serves
# Every token is ten minutes old or not yet valid; so may OpenBao's and the certificates be.
_EXCUSED = frozenset({401, 403, 503})


def library() -> str | None:
    """libfaketime on this machine."""
    libraries = (Path(folder) / "libfaketimeMT.so.1" for folder in _FOLDERS)  # the one for processes with threads
    return next((str(path) for path in libraries if path.exists()), None)


def _environment(told: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": library() or "",
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _turn(told: Path, seconds: int) -> None:
    aside = told.with_suffix(".new")
    aside.write_text(f"{seconds:+d}\n")
    aside.rename(told)


async def steps(stage: Stage) -> dict[str, object]:
    told = stage.stack.run / "soak-clock"
    _turn(told, 0)
    copies = [
        Instance(stage.stack, name, 2 + place, (), _environment(told))
        for place, name in enumerate(("tenant_data", "audit"))
    ]
    try:
        for copy in copies:
            copy.start()
        for copy in copies:
            if not await copy.ready():
                stage.finds(f"clock steps: the copy of {copy.service} did not start")
        return await _stepped(stage, copies, told)
    finally:
        for copy in copies:
            await copy.end()


async def _stepped(stage: Stage, copies: list[Instance], told: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    asker = at_service(stage, copies[0].port, random.Random(f"{stage.plan.seed} clock"), skew=STEP + 30.0)
    asker.allowed = _EXCUSED
    try:
        began = time.monotonic()
        for step in (STEP, -STEP):
            before = Counter(stage.ledger.by_status)
            _turn(told, step)
            end = time.monotonic() + stage.plan.sizes.full_seconds
            while time.monotonic() < end:
                hotel = asker.chance.choice(stage.hotels)
                await asker.read(hotel, hotel.agent)
            seen[f"{step:+d} s"] = "alive" if all(copy.is_alive for copy in copies) else "ended"
            seen[f"{step:+d} s refused"] = sum((Counter(stage.ledger.by_status) - before)[str(s)] for s in _EXCUSED)
        seen["lasted"] = round(time.monotonic() - began, 1)
        _turn(told, 0)
        seen["copy_serves_after"] = await _serves(asker, stage)
    finally:
        asker.wire.close()
    if seen["copy_serves_after"] is None:
        stage.finds(f"clock steps: the copy of tenant_data does not serve again within {_SERVES:g} s")
    return seen


async def _serves(asker: Asker, stage: Stage) -> float | None:
    began = time.monotonic()
    hotel = stage.hotels[0]
    while time.monotonic() - began < _SERVES:
        if await asker.read(hotel, hotel.agent) is not None:
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.1)
    return None
