"""Processes that this stack started, recognised by the files in `.run/pid` even when their supervisor is gone.

A file holds the line of /proc/<pid>/stat at the start: process id and start time together, so that a number which the
kernel has given to somebody else meanwhile is never mistaken for ours. It must never signal anything else.
"""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stack.settings import Stack

_START_TIME = 19  # field 22 of proc(5) stat, counted after the command's closing bracket (field 3 is the first)


@dataclass(frozen=True)
class Process:
    """A process of ours that lives."""

    name: str
    pid: int

    def signal(self, number: signal.Signals) -> None:
        """Signal it and what it started: supervisord gives each program a process group of its own."""
        try:
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def folder(stack: Stack) -> Path:
    """Where each program leaves its file when it starts."""
    return stack.run / "pid"


def living(stack: Stack) -> list[Process]:
    """The processes of this stack that are alive, by name."""
    found = [_of(file) for file in sorted(folder(stack).glob("*"))]
    return [process for process in found if process]


def tell(stack: Stack, name: str, number: signal.Signals) -> None:
    """Signals this one process, if it lives: what it started has signals of its own."""
    for found in living(stack):
        if found.name == name:
            with suppress(ProcessLookupError):
                os.kill(found.pid, number)


def end(stack: Stack, *, patience: float = 15.0) -> list[str]:
    """End every process of this stack that is still there, politely and then for good; their names."""
    ended = [process.name for process in living(stack)]
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for process in living(stack):
            # PostgreSQL waits for its clients on TERM; INT is its fast stop.
            process.signal(signal.SIGINT if process.name == "postgres" and number is signal.SIGTERM else number)
        deadline = time.monotonic() + seconds
        while living(stack) and time.monotonic() < deadline:
            time.sleep(0.1)
    for file in folder(stack).glob("*"):
        file.unlink(missing_ok=True)
    return ended


def _of(file: Path) -> Process | None:
    try:
        recorded = file.read_text()
        pid = int(recorded.split(maxsplit=1)[0])
        current = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError, IndexError):
        return None
    state, started = _fields(current)
    if state == "Z" or not started or started != _fields(recorded)[1]:
        return None
    return Process(file.name, pid)


def _fields(stat: str) -> tuple[str, str]:
    """State and start time of a stat line; the command may hold spaces and brackets, so count from its end."""
    rest = stat.rpartition(")")[2].split()
    return (rest[0], rest[_START_TIME]) if len(rest) > _START_TIME else ("", "")
