"""One run at work: the stack, the people, the ledger, how far it has come, and who may strike when."""

import asyncio
import os
import signal
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from soak.disks import Disks
from soak.ledger import Ledger
from soak.people import Guestbook, People
from soak.plan import Plan
from stack import process
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine

_LOOK = 0.1  # seconds


@dataclass
class Stage:
    """What everything in a run shares. `findings` are answers and effects that no fault excuses."""

    stack: Machine
    plan: Plan
    ledger: Ledger
    disks: Disks
    hotels: list[Hotel]
    hits: Path  # the file in which failpoints say that they struck
    kept_before: float = 0.0  # seconds since the epoch; of a stack that was kept, what is older is of an earlier run
    accesses: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()
        self.context = ssl.create_default_context(cafile=str(self.stack.run / "ca.pem"))
        self.people = People(self.hotels)
        self.guests = {hotel.name: Guestbook() for hotel in self.hotels}
        self.is_over = asyncio.Event()
        self.may_kill = asyncio.Event()
        self.may_kill.set()
        self.failpoint = asyncio.Lock()  # held by a failpoint at work, or by a fault that must be alone

    def start(self) -> None:
        """From now on its time counts."""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def progress(self) -> float:
        """How much of the run is done: 1 when its accesses, or its minutes, are."""
        sizes = self.plan.sizes
        if sizes.accesses is not None:
            return self.accesses / sizes.accesses
        return self.elapsed / (60 * (sizes.minutes or 1))

    async def until(self, at: float) -> None:
        while self.progress() < at:  # noqa: ASYNC110 - progress is time or a count, not an event
            await asyncio.sleep(_LOOK)

    def finds(self, what: str) -> None:
        """Notes what must not happen whatever was broken."""
        self.findings[what] += 1

    def say(self, what: str) -> None:
        sizes = self.plan.sizes
        share = f"{self.accesses}/{sizes.accesses}" if sizes.accesses else f"{self.accesses} accesses"
        print(f"{self.elapsed:6.0f} s  {share}  {what}", flush=True)

    def pid(self, program: str) -> int | None:
        """The process of a supervised program, when it lives."""
        return next((found.pid for found in process.living(self.stack.stack) if found.name == program), None)

    async def kill(self, program: str, within: float = 60) -> None:
        """`kill -9`, once it lives. What never comes back is a finding, and the run goes on."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            pid = self.pid(program)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return
            await asyncio.sleep(_LOOK)
        self.finds(f"{program} was not there for {within:g} s")

    async def is_logged(self, event: str) -> bool:
        try:
            async with superuser(self.stack, "audit") as connection:
                return bool(await connection.fetchval("SELECT 1 FROM access_event WHERE event_id = $1::uuid", event))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
