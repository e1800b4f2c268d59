"""Clock steps of ten minutes, forward and back, in further copies of tenant_data and audit while they run.

Under a wrong clock a copy refuses (401, 403, 503), or the step did not bite, and may not invent; with the right one it
serves again by itself.
"""

import asyncio
import random
import time
from pathlib import Path

from soak.instance import Instance
from soak.stage import Stage
from soak.strikes import at_service
from soak.traffic import Asker

STEP = 600  # seconds
_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")
_NOTICES = 30.0  # seconds beyond the fault's own in which a busy machine gets to refuse somebody
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
        for copy, is_ready in zip(copies, await asyncio.gather(*(copy.ready() for copy in copies)), strict=True):
            if not is_ready:
                stage.finds(f"clock steps: the copy of {copy.service} did not start")
        return await _stepped(stage, copies, told)
    finally:
        await asyncio.gather(*(copy.end() for copy in copies))


async def _stepped(stage: Stage, copies: list[Instance], told: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    askers = {
        copy.service: at_service(
            stage, copy.port, random.Random(f"{stage.plan.seed} clock {copy.service}"), STEP + 30.0
        )
        for copy in copies
    }
    for asker in askers.values():
        asker.allowed = _EXCUSED
    try:
        began = time.monotonic()
        for step in (STEP, -STEP):
            # It serves before: what it refuses then, it refuses because of its clock.
            for service, asker in askers.items():
                seen[f"{service} serves before {step:+d} s"] = await _serves(stage, service, asker)
                asker.statuses.clear()
            _turn(told, step)
            end = time.monotonic() + stage.plan.sizes.full_seconds
            while time.monotonic() < end or (
                time.monotonic() < end + _NOTICES and not all(map(_refused, askers.values()))
            ):
                await asyncio.gather(*(_ask(stage, service, asker) for service, asker in askers.items()))
            for service, asker in askers.items():
                refused = seen[f"{service} refused at {step:+d} s"] = _refused(asker)
                if not refused:
                    stage.finds(f"clock steps: {service} did not notice {step:+d} s")
            _turn(told, 0)
        seen["lasted"] = round(time.monotonic() - began, 1)
        for service, asker in askers.items():
            seen[f"{service} serves after"] = await _serves(stage, service, asker)
    finally:
        for asker in askers.values():
            asker.wire.close()
    return seen


def _refused(asker: Asker) -> int:
    return sum(asker.statuses[status] for status in _EXCUSED)


async def _ask(stage: Stage, service: str, asker: Asker) -> bool:
    hotel = asker.chance.choice(stage.hotels)
    return await (asker.log(hotel) if service == "audit" else asker.read(hotel, hotel.agent)) is not None


async def _serves(stage: Stage, service: str, asker: Asker) -> float | None:
    """Seconds until it serves by the right clock; if it does not: a finding."""
    began = time.monotonic()
    while time.monotonic() - began < _SERVES:
        if await _ask(stage, service, asker):
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.1)
    stage.finds(f"clock steps: the copy of {service} does not serve by the right clock within {_SERVES:g} s")
    return None
