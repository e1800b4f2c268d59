"""Figures of earlier runs, by the bench that measured them, each with its commit, its day and its machine.

Committed with the page that is written from them: whoever measures one anew keeps the others.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from performance.figure import Figure
from stack.settings import REPO

_OF = "commit "  # before its name: bare, it looks like a key to who searches for secrets
_FILE = REPO / "docs" / "performance" / "figures.json"


@dataclass(frozen=True)
class Measured:
    """What one bench found, at which commit (`-dirty` when files differed from it), on which day and machine."""

    commit: str
    day: str
    machine: str
    figures: tuple[Figure, ...]


def load() -> dict[str, Measured]:
    """All that is kept; nothing when there is no file. What does not say where it is from is not kept."""
    if not _FILE.exists():
        return {}
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    return {bench: _measured(entry) for bench, entry in told.items() if isinstance(entry, dict) and "machine" in entry}


def _measured(entry: dict) -> Measured:
    return Measured(
        entry["commit"].removeprefix(_OF),
        entry["day"],
        entry["machine"],
        tuple(Figure(**figure) for figure in entry["figures"]),
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "processor unnamed")


def save(bench: str, figures: Sequence[Figure], commit: str, day: str) -> None:
    """Replaces what is kept of `bench`."""
    machine = f"{_processor()} ({platform.machine()}), {os.cpu_count()} cores"
    known = {**load(), bench: Measured(commit, day, machine, tuple(figures))}
    _FILE.parent.mkdir(parents=True, exist_ok=True)
    told = {name: {**asdict(measured), "commit": _OF + measured.commit} for name, measured in known.items()}
    _FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
