"""Which process listens on a port of the loopback, read from /proc. Knows nothing about processes of other users."""

import os
from dataclasses import dataclass
from pathlib import Path

from stack import process
from stack.settings import Stack

_LISTEN = "0A"  # state of a listening socket in /proc/net/tcp (proc(5))


@dataclass(frozen=True)
class Owner:
    """A process that holds a listening socket."""

    pid: int
    command: str


def of(port: int) -> Owner | None:
    """The process that listens on a port; None when it cannot be seen."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not sockets:
        return None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _holds(entry / "fd", sockets):
            try:
                return Owner(int(entry.name), (entry / "comm").read_text().strip())
            except OSError:
                continue
    return None


def pids_of(stack: Stack) -> set[int]:
    """The processes of this stack and what they started themselves (same process group)."""
    leaders = {found.pid for found in process.living(stack)}
    return leaders | {int(entry.name) for entry in Path("/proc").iterdir() if _group(entry) in leaders}


def _group(entry: Path) -> int | None:
    try:
        return os.getpgid(int(entry.name)) if entry.name.isdigit() else None
    except ProcessLookupError:
        return None


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def _holds(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in sockets for link in folder.iterdir())
    except OSError:
        return False
