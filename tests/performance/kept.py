"""Figures of earlier runs, by the bench that measured them: git-ignored, and only of this tree's own machine."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from performance.figure import Figure
from stack.settings import REPO

_FILE = REPO / "reports" / "performance.json"


def load() -> dict[str, list[Figure]]:
    """All that is kept; nothing when there is no file."""
    if not _FILE.exists():
        return {}
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    return {bench: [Figure(**figure) for figure in figures] for bench, figures in told.items()}


def save(bench: str, figures: Sequence[Figure]) -> None:
    """Replaces what is kept of `bench`."""
    known = {**load(), bench: list(figures)}
    _FILE.parent.mkdir(exist_ok=True)
    told = {name: [asdict(figure) for figure in of] for name, of in known.items()}
    _FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
