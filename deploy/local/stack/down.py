"""Stopping the stack: in reverse order, and until no process of it is left."""

from collections.abc import Callable

from stack import run_folder, up
from stack.settings import Stack
from stack.supervision import Supervisor

# What others write to goes after them and alone; the rest has nothing to lose by going at once.
_STATELESS = frozenset(up.NAMES) - {"openbao", "postgres", "kafka"}


def down(stack: Stack, *, wipe: bool = False, report: Callable[[str], None] = print) -> list[str]:
    """Stop every process of this stack, those left behind by a killed supervisor too; with `wipe`, delete its data."""
    if not stack.run.exists():
        report("nothing was running")
        return []
    with run_folder.locked(stack, report):
        stopped = Supervisor(stack).shutdown(together=_STATELESS)
        report(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
        if wipe:
            run_folder.wipe(stack)
            report(f"deleted {stack.run}")
    return stopped
