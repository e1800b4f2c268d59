"""Small disks for what must survive a full one: a tmpfs each, put in place before the stack starts, filled and freed.

A disk is filled by shrinking it to what it holds. It unmounts everything of its own run folder, and nothing else.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from stack import postgres, private_file, run_folder
from stack.settings import Stack
from support.database import superuser
from support.machine import Machine

_BYTES = 2 << 30  # of each, at most; memory is used only by what is written
_AUDIT = "soak_audit"


class Refused(Exception):
    """This machine does not let us mount, or would not let go."""


@dataclass(frozen=True)
class Disk:
    """One mount."""

    point: Path

    def mount(self, owner: str | None = None) -> None:
        self.point.mkdir(parents=True, exist_ok=True)
        options = f"size={_BYTES},mode=0700"
        if owner is not None:
            account = pwd.getpwnam(owner)
            options += f",uid={account.pw_uid},gid={account.pw_gid}"
        _run("mount", "-t", "tmpfs", "-o", options, "konci-soak", str(self.point))

    @property
    def is_mounted(self) -> bool:
        return self.point.is_mount()

    def fill(self) -> None:
        """Not a byte more from now on. What grows meanwhile is caught up with."""
        for _ in range(20):
            held = os.statvfs(self.point)
            used = (held.f_blocks - held.f_bfree) * held.f_frsize
            try:
                _run("mount", "-o", f"remount,size={max(used, held.f_frsize)}", str(self.point))
            except Refused:
                continue
            if os.statvfs(self.point).f_bfree == 0:
                return
        raise Refused(f"{self.point} could not be filled")

    def free(self) -> None:
        _run("mount", "-o", f"remount,size={_BYTES}", str(self.point))


@dataclass(frozen=True)
class Disks:
    """The four that can fill up."""

    wal: Disk
    kafka: Disk
    audit: Disk
    openbao: Disk


def of(stack: Stack) -> Disks:
    """Where they are. PostgreSQL's must be in its own home: its user gets nowhere else."""
    home = stack.folder("postgres").resolve()
    return Disks(
        Disk(home / "soak-wal"), Disk(stack.folder("kafka") / "data"), Disk(home / "soak-audit"),
        Disk(stack.run / "soak-openbao"),
    )  # fmt: skip


def place(stack: Stack) -> Disks:
    """Mounts them under a stack that was never started. Raises Refused."""
    run_folder.prepare(stack)
    postgres.prepare(stack)
    disks = of(stack)
    owner = postgres.USER if os.geteuid() == 0 else None
    for disk in (disks.wal, disks.audit):
        disk.mount(owner)
    private_file.folder(stack.folder("kafka"))
    disks.kafka.mount()
    disks.openbao.mount()
    _move_wal(stack, disks.wal.point)
    log = private_file.folder(stack.folder("openbao")) / "audit.log"
    log.symlink_to(disks.openbao.point / log.name)
    return disks


def _move_wal(stack: Stack, to: Path) -> None:
    # As initdb --waldir would have it: a link. The copy keeps owner and mode.
    wal = stack.folder("postgres").resolve() / "data" / "pg_wal"
    _run("cp", "-a", str(wal), str(to))
    shutil.rmtree(wal)
    wal.symlink_to(to / wal.name)
    os.chown(wal, to.stat().st_uid, to.stat().st_gid, follow_symlinks=False)


async def move_audit(stack: Machine, disk: Disk) -> None:
    """Audit's whole database into a tablespace on its disk. Its two processes are away meanwhile."""
    for program in ("audit", "audit_collector"):
        stack.stop(program)
    async with superuser(stack, "postgres") as connection:
        await connection.execute(f"CREATE TABLESPACE {_AUDIT} LOCATION '{disk.point}'")
        for attempt in range(10):
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'audit'")
            try:
                await connection.execute(f"ALTER DATABASE audit SET TABLESPACE {_AUDIT}")
                break
            except asyncpg.ObjectInUseError:
                if attempt == 9:
                    raise
                await asyncio.sleep(0.5)
    for program in ("audit", "audit_collector"):
        stack.start(program)


def unmount(stack: Stack) -> list[str]:
    """Unmounts whatever is mounted in this stack's folders, also from a run that was killed; where it was."""
    places = (str(stack.run.resolve()) + "/", str(stack.folder("postgres").resolve()) + "/")
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    ours = [point for point in mounted if point.startswith(places)]
    for point in reversed(ours):
        for attempt in range(20):
            try:
                _run("umount", point)
                break
            except Refused:
                if attempt == 19:
                    _run("umount", "--lazy", point)
                time.sleep(0.25)
    return ours


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"{command[0]} ended {done.returncode}"]
        raise Refused(said[-1])
