"""Starting the stack: everything in dependency order, each waited for, and nothing done twice.

The order is the list in `up()`; what each server needs is its own module's. It must never destroy data.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import asyncpg

from stack import (
    bao,
    bootstrap_ca,
    databases,
    doctor,
    envoy,
    identity,
    kafka,
    keeper,
    openbao,
    postgres,
    prometheus,
    run_folder,
    services,
    trust,
)
from stack.program import NotReady, Program
from stack.settings import SERVICES, Stack, StackError
from stack.supervision import Supervisor

Report = Callable[[str], None]

# Every process, in start order.
PROGRAMS: dict[str, Callable[[Stack], Program]] = {
    "openbao": openbao.program,
    "postgres": postgres.program,
    "kafka": kafka.program,
    "keeper": keeper.program,
    **{service: partial(services.program, service=service) for service in SERVICES},
    "audit_collector": services.collector,
    "envoy": envoy.program,
    "prometheus": prometheus.program,
}
NAMES = tuple(PROGRAMS)

# Servers that read their certificate only when told; every other process watches its file.
_DEAF = ("postgres", "kafka")
# The process behind a certificate of another name; the keeper answers for OpenBao's client certificate.
_PROCESS = {"gateway": "envoy", "openbao": "keeper"}
_EXPIRING = 0.1

# Seconds; a server whose start fails this long (PostgreSQL may wait for its killed predecessor's memory) will not come.
_HOPELESS = 12.0


async def up(stack: Stack, *, only: frozenset[str] = frozenset(), report: Report = print) -> list[str]:
    """Start what is not running (or just `only`) and wait until it serves; the names of what was started."""
    wanted = only or frozenset(NAMES)
    doctor.require(stack, wanted)
    run_folder.prepare(stack)
    with run_folder.locked(stack, report):
        start = _Start(stack, wanted, report)
        await start.run()
    return start.started


@dataclass
class _Start:
    """One `up` at work."""

    stack: Stack
    wanted: frozenset[str]
    report: Report
    started: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._supervisor = Supervisor(self.stack)

    async def run(self) -> None:
        stack = self.stack
        for ended in self._supervisor.ensure():
            self.report(f"ended {ended}, left behind by a supervisor that was killed")
        await self._trust()
        if "kafka" in self.wanted:
            await asyncio.to_thread(kafka.install_jars, stack)
        await self._serve("postgres", "kafka")
        if "postgres" in self.wanted:
            await self._step("databases, roles and users", databases.reconcile(stack))
        await self._certificates(["migrator"])
        await asyncio.gather(
            self._serve("keeper"),
            *(self._step(f"migrations of {name}", services.migrate(stack, name)) for name in self._chosen(SERVICES)),
        )
        await self._serve("auth")
        await self._serve("tenant_data", "audit", "audit_collector", "recording_storage")
        await self._serve("envoy", "prometheus")
        self.report(f"up in {time.monotonic() - self._began:.1f} s: {stack.url_of('gateway')} (CA {stack.ca})")

    async def _trust(self) -> None:
        stack = self.stack
        if "openbao" in self.wanted:
            bootstrap_ca.prepare(stack)
            openbao.prepare(stack)
            await self._serve("openbao")
            if not await trust.wait_for_login(stack):
                await self._first_start_again()
            await self._step("keys, policies and issuing CA", trust.reconcile(stack))
        await self._step("certificates", self._certificates())

    async def _first_start_again(self) -> None:
        if openbao.trusted(self.stack).exists():
            raise StackError("OpenBao does not know this stack's root: restore .run/bootstrap, or `konci down --wipe`")
        self.report("openbao: its first start was cut short; starting it afresh")
        self._supervisor.stop("openbao")
        openbao.forget_first_start(self.stack)
        await self._serve("openbao")
        if not await trust.wait_for_login(self.stack):
            raise StackError("OpenBao refuses the bootstrap identity on its first start: see `konci logs openbao`")

    async def _certificates(self, workloads: Iterable[str] = trust.WORKLOADS) -> None:
        """Give each a certificate where it is due; one whose process runs renews its own, unless it failed to."""
        running = {info["name"] for info in self._supervisor.all() if info["statename"] == "RUNNING"}
        due = [
            name
            for name in workloads
            if identity.life(self.stack, name) < (_EXPIRING if _PROCESS.get(name, name) in running else identity.FRESH)
        ]
        if not due:
            return
        if {"postgres"} & self.wanted & set(due):
            postgres.home(self.stack)  # its folder has to be its user's before its certificate is put there
        async with bao.session(self.stack) as session:
            for name in due:
                await identity.renew(session, self.stack, name)
        for name in running & {*_DEAF} & {*due}:
            self._supervisor.stop(name)
            self._supervisor.start(name)

    def _chosen(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self.wanted]

    async def _serve(self, *names: str) -> None:
        """Start these side by side and wait for each."""
        chosen = self._chosen(names)
        if not chosen:
            return
        prepare = {"postgres": postgres, "kafka": kafka, "keeper": keeper, "envoy": envoy, "prometheus": prometheus}
        for name in chosen:
            if name in prepare:
                await asyncio.to_thread(prepare[name].prepare, self.stack)
        # Again, because a short-lived certificate may have grown old since the first step.
        await self._certificates(name for name in trust.WORKLOADS if _PROCESS.get(name, name) in chosen)
        ready = [PROGRAMS[name](self.stack) for name in chosen]
        self._supervisor.load(ready, order=NAMES)
        fresh = [program.name for program in ready if self._supervisor.start(program.name)]
        self.started += fresh
        await asyncio.gather(*(self._wait(program, is_new=program.name in fresh) for program in ready))

    async def _wait(self, program: Program, *, is_new: bool) -> None:
        began, reason = time.monotonic(), "it has not been asked"
        while time.monotonic() - began < program.ready_seconds:
            state = self._supervisor.info(program.name)["statename"]
            if state == "FATAL" or (state == "BACKOFF" and time.monotonic() - began > _HOPELESS):
                break
            if state == "RUNNING":
                try:
                    await program.ready()
                except NotReady as not_ready:
                    reason = str(not_ready)
                else:
                    took = f"ready after {time.monotonic() - began:.1f} s" if is_new else "was running"
                    self.report(f"{program.name:<16} {took}")
                    return
            else:
                reason = f"it is {state}"
            await asyncio.sleep(0.15)
        name = program.name
        raise StackError(f"{name} does not become ready ({reason}): see `konci logs {name}`{self._last(program)}")

    def _last(self, program: Program) -> str:
        try:
            lines = self.stack.log(program.name).read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return f"; its last line: {lines[-1][:200]}" if lines else ""

    async def _step(self, what: str, work: Awaitable[None]) -> None:
        began = time.monotonic()
        try:
            await work
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StackError(f"{what} failed ({error}): see `konci logs postgres`") from error
        self.report(f"{what:<32} {time.monotonic() - began:.1f} s")
