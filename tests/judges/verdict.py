"""What a judge hands back: its name, the versions it used, one line, and an exit code. Never green by default."""

from collections.abc import Sequence
from dataclasses import dataclass, field


class CannotJudge(Exception):
    """The stack or the tool is not to be had: exit 2. It never counts as passed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one judge. `found` is what it holds against the product; `line` says what was judged."""

    judge: str
    versions: str
    line: str
    found: Sequence[str] = field(default=())

    @property
    def code(self) -> int:
        """0 nothing was found, 1 something was."""
        return 1 if self.found else 0

    def show(self) -> None:
        """The findings one by one, then the one line."""
        for finding in self.found:
            print(f"{self.judge}: {finding}")
        word = f"RED, {len(self.found)} found" if self.found else "green"
        print(f"{self.judge}: {word}: {self.line} [{self.versions}]", flush=True)
