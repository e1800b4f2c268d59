"""Whether a stack stands, for a program that needs one: up, whole and of this very tree; else one line that says why.

What it cannot have it never passes over: a program without its stack ends with 2, neither green nor red.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx2

from pentest import target
from stack.settings import StackError
from support.machine import Machine

_FAILURES = (
    AssertionError,  # what `konci` or the API said
    subprocess.SubprocessError,
    OSError,
    httpx2.HTTPError,
    asyncpg.PostgresError,
    StackError,
    target.NotATarget,
)
_LONGEST = 300  # characters of a line


class NoStack(Exception):
    """There is no stack to work on, or it could not be furnished: one line."""


@contextmanager
def needed(what: str) -> Iterator[None]:
    """Raises NoStack for what goes wrong in the block, which is preparation and no finding."""
    try:
        yield
    except _FAILURES as failed:
        said = [line.strip() for line in str(failed).splitlines() if line.strip()]
        raise NoStack(f"{what} ({said[-1][:_LONGEST] if said else type(failed).__name__})") from failed


def bring_up(machine: Machine) -> None:
    """Starts what does not run, and looks at the whole. Raises NoStack."""
    with needed(f"the stack in {machine.run} did not come up"):
        machine.up()
        target.check(machine.stack)
