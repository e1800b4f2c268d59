"""Runs recording_storage with its background work quickened, by settings and by its modules' own intervals.

`-m support.brisk - 0 - - recording_storage serve`. With a name of `POINTS`, a turn and a file it is killed at that
point and says so there; with another file it waits for that one before it begins.
"""

import importlib
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from soak import failpoint
from soak.instance import Instance
from support.machine import Machine
from support.recording_points import POINTS

PACE: dict[str, dict[str, Any]] = {
    "comparison": {name: timedelta(seconds=20) for name in ("_ORPHANED", "_LATE", "_DEBRIS")},
    "healer": {"_EVERY": 1.0},
    "resting": {"_FIRST": 1.0},
    "heartbeat": {"_EVERY": 1.0},
    "rewrapping": {"_FIRST": 0.5, "_EVERY": 1.0},
}
_TOLD = {
    "KONCI_SWEEP_EVERY_SECONDS": "1",
    "KONCI_UPLOAD_SILENT_SECONDS": "8",
    "KONCI_COMPARE_EVERY_SECONDS": "2",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}
_NOBODY = "-"
_NOTHING: Mapping[str, str] = MappingProxyType({})


def brisk(stack: Machine, *killed: str, environment: Mapping[str, str] = _NOTHING, **more: Any) -> Instance:
    """A copy in the place of the supervised one, which is stopped; `killed`: point, turn, the two files."""
    launcher = ("-m", __name__, *(killed or (_NOBODY, "0", _NOBODY, _NOBODY)))
    return Instance(stack, "recording_storage", None, launcher, {**_TOLD, **environment}, **more)


def spare(stack: Machine, point: str, turn: int, hits: Path, gate: Path) -> Instance:
    """One that is ready to begin once there is `gate`, and kills itself at `point`; "": it does not."""
    return brisk(stack, point or _NOBODY, str(turn), str(hits), str(gate))


def _main(point: str, turn: str, hits: str, gate: str, service: str, *verb: str) -> None:
    for module, pace in PACE.items():
        owner = importlib.import_module(f"{service}.{module}")
        for name, value in pace.items():
            setattr(owner, name, value)
    importlib.import_module(f"{service}.app")
    while gate != _NOBODY and not Path(gate).exists():
        time.sleep(0.01)
    if point == _NOBODY:
        failpoint.run(service, *verb)
    else:
        failpoint.launch(POINTS[point], point, int(turn), hits, service, *verb)


if __name__ == "__main__":
    _main(*sys.argv[1:])
