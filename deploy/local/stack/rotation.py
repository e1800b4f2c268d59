"""Logs that their writers hold open for ever: set aside once they are long, and the oldest of them deleted. The other
logs are kept short by supervisord. It must never delete what the collector had no time to read (02.4): that is two
weeks, and nobody is asked whether they were enough (ADR 8).
"""

import asyncio
import logging
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack import openbao, process
from stack.settings import Stack

log = logging.getLogger("keeper.rotation")

LONG = 256 * 2**20  # bytes
KEPT = 4  # set aside, beside the one that is written
_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Log:
    """A file, who writes it, and how he is told to open it anew; `least_age`: of the last line in what is deleted."""

    path: Path
    program: str
    reopen: signal.Signals
    least_age: timedelta

    def aside(self) -> list[Path]:
        """What was set aside, oldest first: its name ends with the time."""
        return sorted(self.path.parent.glob(f"{self.path.name}-*"))


def logs(stack: Stack) -> list[Log]:
    """Both. The gateway's has an end whatever comes in; for what goes of OpenBao's the collector had two weeks."""
    return [
        Log(stack.log("gateway-access"), "envoy", signal.SIGUSR1, timedelta(0)),
        Log(openbao.audit_log(stack), "openbao", signal.SIGHUP, timedelta(days=14)),
    ]


def step(stack: Stack, one: Log, now: datetime, long: int = LONG) -> None:
    """Sets it aside if it is long, and deletes what is old. Whoever is killed in between is made good by the next."""
    if one.path.is_symlink():
        return  # it lies on a disk of its own, and the collector looks beside the link
    aside = one.aside()
    if one.path.exists():
        if one.path.stat().st_size > long:
            _set_aside(stack, one, now)
    elif aside:
        process.tell(stack, one.program, one.reopen)
    for old in aside[:-KEPT]:
        if now.timestamp() - old.stat().st_mtime > one.least_age.total_seconds():
            old.unlink()
            log.info("deleted", extra={"program": one.program})


def _set_aside(stack: Stack, one: Log, now: datetime) -> None:
    aside = one.path.with_name(f"{one.path.name}-{now:%Y%m%dT%H%M%S}")
    if one.program not in {writer.name for writer in process.living(stack)}:
        # In a container of its own, for one: nobody would tell it to open the file anew.
        log.warning("a long log is left, for its writer is not here", extra={"program": one.program})
    elif not aside.exists():  # else the clock was stepped back
        one.path.rename(aside)
        process.tell(stack, one.program, one.reopen)
        log.info("set aside", extra={"program": one.program})


async def keep(stack: Stack) -> None:
    """Look once a minute, for ever. A disk that refuses is said each time: it is about to be full."""
    while True:
        for one in logs(stack):
            try:
                await asyncio.to_thread(step, stack, one, datetime.now(UTC))
            except OSError as refused:
                log.warning("a log grows on", extra={"program": one.program, "error": type(refused).__name__})
        await asyncio.sleep(_EVERY)
