"""One process of the stack: what to run, as whom, and how to see that it is ready. Holds no state of its own."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class NotReady(Exception):
    """The process does not serve yet; the text says what was still missing."""


@dataclass(frozen=True)
class Program:
    """A process under supervision.

    `command` starts with an absolute path and holds no secret (it is visible in `ps`); neither does `environment`.
    `ready()` raises NotReady until the process serves; it is asked several times a second and must not block.
    `configuration` names generated files: when their content changes, the next `up` restarts the process.
    `user` drops root's rights; it is ignored when the stack does not run as root.
    """

    name: str
    command: list[str]
    ready: Callable[[], Coroutine[Any, Any, None]]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    ready_seconds: float = 60.0
    configuration: tuple[Path, ...] = ()
