"""What is wrong on this machine and what to do about it, before anything is started. It must never repair or change."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stack import openbao, port_owner, postgres
from stack.settings import SERVICES, Stack, StackError, tool
from stack.supervision import Supervisor

# PostgreSQL, Kafka and OpenBao together stay under half of this in a first run.
NEEDED_BYTES = 1_500_000_000
NEEDED_MEMORY = 2_000_000_000
_LONGEST_RUN = 80  # characters: a socket's path in it must stay under 108 (unix(7)), supervisord adds its own suffix

_LISTENERS = {
    "openbao": ("openbao", "openbao_cluster"),
    "kafka": ("kafka", "kafka_controller"),
    "envoy": ("gateway", "envoy_admin"),
    "keeper": ("traces",),
    "audit_collector": (),
}
_EVERYTHING = frozenset({*_LISTENERS, *SERVICES, "postgres", "prometheus"})


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `text` says what to do when it is not `ok`."""

    subject: str
    ok: bool
    text: str


def examine(stack: Stack, wanted: frozenset[str] | None = None) -> list[Finding]:
    """Look at everything that `up` of these processes (by default all) needs."""
    names = wanted if wanted is not None else _EVERYTHING
    looks = (_python, _programs, _folder, _disk, _memory, _half_written, _ports)
    return [finding for look in looks for finding in look(stack, names)]


def require(stack: Stack, wanted: frozenset[str]) -> None:
    """Raise StackError with the first thing that would make `up` fail."""
    for finding in examine(stack, wanted):
        if not finding.ok:
            raise StackError(f"{finding.subject}: {finding.text}")


def _python(_stack: Stack, _names: frozenset[str]) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _programs(_stack: Stack, names: frozenset[str]) -> Iterator[Finding]:
    yield _found("setpriv", lambda: tool("setpriv", hint="install the package util-linux"))
    if "postgres" in names:
        yield _found("postgres", lambda: postgres.binary("postgres"))
    if "kafka" in names:
        yield _found("java", lambda: tool("java", hint="install openjdk-17-jre-headless (`make up` does)"))
    if "prometheus" in names:
        yield _found("prometheus", lambda: tool("prometheus", hint="install the package prometheus (`make up` does)"))
    if "openbao" in names:
        yield _found("openbao", openbao.binary)


def _found(subject: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, ok=True, text=find())
    except StackError as missing:
        return Finding(subject, ok=False, text=str(missing))


def _folder(stack: Stack, _names: frozenset[str]) -> Iterator[Finding]:
    run = stack.run
    if len(os.fsencode(run)) > _LONGEST_RUN:
        yield _bad_folder(f"{run} is too long for a socket in it: set KONCI_RUN to a shorter path")
    elif re.search(r"['\"%;#$\\\n]", str(run)):
        yield _bad_folder(f"{run} holds a character that servers misread: set KONCI_RUN to another path")
    elif run.exists() and run.stat().st_uid != os.geteuid():
        owner = run.stat().st_uid
        yield _bad_folder(f"{run} belongs to user {owner}: work as that user, or set KONCI_RUN")
    elif not os.access(_existing(run), os.W_OK | os.X_OK):
        yield _bad_folder(f"{_existing(run)} cannot be written: change its rights, or set KONCI_RUN")
    else:
        yield Finding("run folder", ok=True, text=str(run))


def _bad_folder(text: str) -> Finding:
    return Finding("run folder", ok=False, text=text)


def _disk(stack: Stack, _names: frozenset[str]) -> Iterator[Finding]:
    at = _existing(stack.run)
    free = shutil.disk_usage(at).free
    text = f"{free / 1e9:.1f} GB free at {at}"
    if free < NEEDED_BYTES:
        text += f": free {NEEDED_BYTES / 1e9:.1f} GB, or set KONCI_RUN to another disk"
    yield Finding("disk", free >= NEEDED_BYTES, text)
    nodes = os.statvfs(at)
    if nodes.f_files and nodes.f_favail < 10_000:  # noqa: PLR2004 - a stack makes some three thousand files
        yield Finding("disk", ok=False, text=f"no room for more files (inodes) at {at}: delete some, or set KONCI_RUN")


def _memory(stack: Stack, _names: frozenset[str]) -> Iterator[Finding]:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
    available = int(lines["MemAvailable"].split()[0]) * 1024
    text = f"{available / 1e9:.1f} GB available"
    # A running stack has taken its share already: a small rest is then no reason to refuse.
    ok = available >= NEEDED_MEMORY or bool(Supervisor(stack).all())
    yield Finding("memory", ok, text if ok else f"{text}: {NEEDED_MEMORY / 1e9:.0f} GB are needed; end something")


def _half_written(stack: Stack, _names: frozenset[str]) -> Iterator[Finding]:
    bootstrap = stack.folder("bootstrap")
    wipe = "restore it from a backup, or start over with `konci down --wipe`"
    if (bootstrap / "root.pem").exists() and not (bootstrap / "root.key").exists():
        yield Finding("trust", ok=False, text=f"{bootstrap / 'root.key'} is missing: {wipe}")
    elif openbao.trusted(stack).exists() and not (bootstrap / "root.pem").exists():
        text = f"{bootstrap / 'root.pem'} is missing though OpenBao holds data: {wipe}"
        yield Finding("trust", ok=False, text=text)
    else:
        yield Finding(
            "trust", ok=True, text="one root" if (bootstrap / "root.pem").exists() else "made at the first `up`"
        )


def _ports(stack: Stack, names: frozenset[str]) -> Iterator[Finding]:
    running = {info["name"] for info in Supervisor(stack).all() if info["statename"] == "RUNNING"}
    ours = port_owner.pids_of(stack)
    taken = False
    for program in sorted(names - running):
        for listener in _LISTENERS.get(program, (program,)):
            port = stack.port_of(listener)
            if _is_free(port):
                continue
            owner = port_owner.of(port)
            if owner and owner.pid in ours:
                continue  # left behind by a killed supervisor: `up` ends it first
            taken = True
            by = f"{owner.command} (pid {owner.pid})" if owner else "another program"
            yield Finding(f"port {port}", ok=False, text=f"{by} listens there ({listener}): stop it, or set KONCI_PORT")
    if not taken:
        yield Finding("ports", ok=True, text=f"{stack.port} to {max(stack.ports().values())}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
