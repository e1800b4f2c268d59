"""Figures of earlier runs, by the bench that measured them, each with its commit and its day.

Git-ignored, and only of this tree's own machine.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from performance.figure import Figure
from stack.settings import REPO

_FILE = REPO / "reports" / "performance.json"


@dataclass(frozen=True)
class Measured:
    """What one bench found, at which commit (`-dirty` when files differed from it) and on which day."""

    commit: str
    day: str
    figures: tuple[Figure, ...]


def load() -> dict[str, Measured]:
    """All that is kept; nothing when there is no file. What does not say where it is from is not kept."""
    if not _FILE.exists():
        return {}
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    return {bench: _measured(entry) for bench, entry in told.items() if isinstance(entry, dict)}


def _measured(entry: dict) -> Measured:
    return Measured(entry["commit"], entry["day"], tuple(Figure(**figure) for figure in entry["figures"]))


def save(bench: str, figures: Sequence[Figure], commit: str, day: str) -> None:
    """Replaces what is kept of `bench`."""
    known = {**load(), bench: Measured(commit, day, tuple(figures))}
    _FILE.parent.mkdir(exist_ok=True)
    told = {name: asdict(measured) for name, measured in known.items()}
    _FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
