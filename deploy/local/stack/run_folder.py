"""The run folder as a whole: made with the right doors, locked while somebody starts or stops, recognised before it is
deleted. It must never delete a folder that this program did not make.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stack import postgres, private_file
from stack.settings import Stack, StackError

_MARK = ".konci"


def prepare(stack: Stack) -> None:
    """Make the folder; others may walk through it (PostgreSQL's user has to), and list nothing."""
    if stack.run.exists() and not (stack.run / _MARK).exists() and any(stack.run.iterdir()):
        message = f"{stack.run} holds something else: empty it, or choose another KONCI_RUN"
        raise StackError(message)
    private_file.folder(stack.run, mode=0o711)
    private_file.write_if_changed(stack.run / _MARK, "a run folder of konci; `konci down --wipe` deletes it\n")
    for name in ("log", "traces", "pid", "supervisor.d"):
        private_file.folder(stack.folder(name))


@contextmanager
def locked(stack: Stack, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder alone: two `up` at once would start everything twice."""
    with (stack.run / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting: another `konci up` or `konci down` is at work here")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wipe(stack: Stack) -> None:
    """Delete everything this stack ever wrote."""
    if not (stack.run / _MARK).exists():
        message = f"{stack.run} is not a run folder of this program: delete it by hand if you mean it"
        raise StackError(message)
    postgres.wipe(stack)
    shutil.rmtree(stack.run)
