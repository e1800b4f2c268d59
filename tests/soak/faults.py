"""Faults that last: each is begun, seen to bite, and lifted; then it is measured how long recovery takes.

A fault returns what was seen while it lasted. One that did not bite is a finding: it has proved nothing.
"""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import asyncpg
import httpx2

from soak import broker, clock, flood
from soak.disks import Disk
from soak.instance import Instance
from soak.stage import Stage
from soak.traffic import Asker
from soak.wire import Wire
from stack import bao
from support.database import superuser

_BITES = 60.0  # seconds for a fault to show
_RECOVERS = 120.0  # seconds for the whole way, from the gateway to the log, to work again
_STALLED = 5.0  # seconds after which an event that is not in the log shows that nothing is stored
_COPY = 4  # place of copies that faults start (failpoints have 0 and 1, clock 2 and 3)


@dataclass
class Probe:
    """Asks as a client would, one read at a time, and sees how it is answered."""

    stage: Stage
    asker: Asker = field(init=False)

    def __post_init__(self) -> None:
        stage = self.stage
        wire = Wire(stage.stack.port_of("gateway"), stage.context)
        self.asker = Asker(stage, wire, random.Random(f"{stage.plan.seed} probe"))

    async def read(self) -> str | None:
        """The event of a read that was answered."""
        hotel = self.stage.hotels[0]
        answer = await self.asker.read(hotel, hotel.agent)
        return None if answer is None else answer.headers["access-event"]

    async def recovers(self) -> dict[str, float]:
        """Seconds until a read is answered, and until it is in the log. Raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(_RECOVERS):
            while (event := await self.read()) is None:
                pass
            answered = time.monotonic() - began
            while not await self.stage.is_logged(event):  # noqa: ASYNC110 - the database is asked, it does not call
                await asyncio.sleep(0.1)
        return {"answered_after": round(answered, 1), "logged_after": round(time.monotonic() - began, 1)}


async def run(stage: Stage) -> None:
    """Every fault of the plan, in its order, without kills beside it."""
    for deed in stage.plan.faults:
        await stage.until(deed.at)
        fault = FAULTS[deed.name]
        stage.may_kill.clear()
        try:
            if fault.is_alone:
                async with stage.failpoint:
                    await _one(stage, deed.name, fault)
            else:
                await _one(stage, deed.name, fault)
        finally:
            stage.may_kill.set()


async def _one(stage: Stage, name: str, fault: "Fault") -> None:
    probe = Probe(stage)
    told: dict[str, object] = {"fault": name}
    stage.faults.append(told)
    doing = "before it, no recovery from what was before"
    try:
        # What random kills broke is not this fault's.
        await probe.recovers()
        doing, began = "it could not be carried out in its time", time.monotonic()
        stage.say(f"fault: {name}")
        told |= await fault.work(stage)
        told.setdefault("lasted", round(time.monotonic() - began, 1))
        doing = f"no recovery within {_RECOVERS:g} s"
        told |= await probe.recovers()
    except TimeoutError:
        stage.finds(f"{name}: {doing}")
    finally:
        probe.asker.wire.close()
    stage.say(f"fault: {name}: " + ", ".join(f"{key} {value}" for key, value in told.items() if key != "fault"))


async def _until(holds: Callable[[], Awaitable[bool]], within: float = _BITES) -> float | None:
    """Seconds until it holds; None when it does not within so many."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        if await holds():
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.1)
    return None


async def _stop(stage: Stage, program: str, bites: Callable[[], Awaitable[bool]]) -> dict[str, object]:
    """SIGSTOP for the plan's time, and for as long as `bites` looks for what it does."""
    pid = stage.pid(program)
    if pid is None:
        stage.finds(f"{program} was not there to be stopped")
        return {}
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        does_bite = await bites()
        await asyncio.sleep(max(0.0, began + stage.plan.sizes.stop_seconds - time.monotonic()))
    finally:
        os.kill(pid, signal.SIGCONT)
    if not does_bite:
        stage.finds(f"{program} stopped: nothing was seen of it")
    # The same process: it came back as the zombie that it was, not as a new one.
    if stage.pid(program) != pid:
        stage.finds(f"{program} did not live through being stopped")
    return {"lasted": round(time.monotonic() - began, 1)}


async def stop_consumer(stage: Stage) -> dict[str, object]:
    """Audit stopped while another copy takes its partitions over; then it returns."""
    copy, moved = Instance(stage.stack, "audit", _COPY), dict[str, object]()
    copy.start()
    try:
        if not await copy.ready():
            stage.finds("consumer stopped: the other copy of audit did not start")
        shared = await _until(partial(_is_shared, stage))
        if shared is None:
            stage.finds("consumer stopped: the two copies did not share the partitions")

        async def bites() -> bool:
            moved["taken_over_after"] = await broker.takes_over(stage, _BITES)
            return moved["taken_over_after"] is not None

        return await _stop(stage, "audit", bites) | moved
    finally:
        await copy.end()


async def _is_shared(stage: Stage) -> bool:
    held = await broker.holdings(stage)
    return len(held) > 1 and all(held.values())


async def stop_service(stage: Stage) -> dict[str, object]:
    probe = Probe(stage)

    async def bites() -> bool:
        # Under way until the gateway gives it up, or until it goes on: nobody else can answer it.
        asked = asyncio.create_task(probe.read())
        done, _ = await asyncio.wait({asked}, timeout=stage.plan.sizes.stop_seconds)
        held.append(asked)
        return not done or asked.result() is None

    held: list[asyncio.Task[str | None]] = []
    try:
        return await _stop(stage, "tenant_data", bites)
    finally:
        await asyncio.gather(*held)
        probe.asker.wire.close()


async def _full(stage: Stage, disk: Disk, bites: Callable[[], Awaitable[bool]], name: str) -> dict[str, object]:
    await asyncio.to_thread(disk.fill)
    try:
        bitten = await _until(bites)
        if bitten is None:
            stage.finds(f"{name}: nothing was seen of it")
        await asyncio.sleep(stage.plan.sizes.full_seconds)
    finally:
        await asyncio.to_thread(disk.free)
    return {"bit_after": bitten}


async def wal_full(stage: Stage) -> dict[str, object]:
    probe = Probe(stage)

    async def bites() -> bool:
        try:
            async with superuser(stage.stack, "postgres") as connection:
                for _ in range(5):
                    await connection.execute("SELECT pg_switch_wal()")  # segments made in advance are used up
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return await probe.read() is None
        return False

    return await _full(stage, stage.disks.wal, bites, "WAL full")


async def _nothing_is_stored(stage: Stage) -> bool:
    """Whether what is answered now is not in the log some seconds later."""
    event = await Probe(stage).read()
    await asyncio.sleep(_STALLED)
    return event is not None and not await stage.is_logged(event)


async def kafka_full(stage: Stage) -> dict[str, object]:
    return await _full(stage, stage.disks.kafka, partial(_nothing_is_stored, stage), "Kafka's disk full")


async def audit_full(stage: Stage) -> dict[str, object]:
    return await _full(stage, stage.disks.audit, partial(_nothing_is_stored, stage), "audit's tablespace full")


async def openbao_full(stage: Stage) -> dict[str, object]:
    """Its audit device can take no line: it answers 500 to every request, and its health says 200 all the same."""
    probe = Probe(stage)
    told: dict[str, object] = {}

    async def bites() -> bool:
        async with bao.client(stage.stack.stack, base_url=stage.stack.url_of("openbao")) as http:
            try:
                told["sign-in"] = (await http.post("/v1/auth/cert/login", json={"name": "bootstrap"})).status_code
                told["health"] = (await http.get("/v1/sys/health")).status_code
            except httpx2.HTTPError:
                return False
        return told == {"sign-in": 500, "health": 200} and await probe.read() is None

    return await _full(stage, stage.disks.openbao, bites, "OpenBao's audit device full") | told


async def wipe_kafka(stage: Stage) -> dict[str, object]:
    """Its whole folder gone, and every topic with it: none begins afterwards as it did before."""
    data, before = stage.stack.stack.folder("kafka") / "data", await broker.filled(stage, _RECOVERS)
    if before is None:
        stage.finds("Kafka wiped: there was nothing on it")
        return {}

    def wipe() -> None:
        for path in data.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    await asyncio.to_thread(wipe)
    await stage.kill("kafka")
    seen: dict[str, object] = {"records_before": before.records}

    async def is_new() -> bool:
        after = await broker.contents(stage)
        if after is None or not after.records:
            return False
        seen.update(records_after=after.records, kept=after.keeps(before))
        return not seen["kept"]

    seen["new_after"] = await _until(is_new, _RECOVERS)
    if seen["new_after"] is None:
        stage.finds(f"Kafka wiped: not everything was lost by it ({seen})")
    return seen


async def exhaust_pools(stage: Stage) -> dict[str, object]:
    """A lock holds every connection; more requests come than there are. Those that get none are told when to return."""
    probes = [Probe(stage) for _ in range(40)]
    async with superuser(stage.stack, "tenant_data") as connection, connection.transaction():
        await connection.execute("LOCK TABLE guest IN ACCESS EXCLUSIVE MODE")
        asked = [asyncio.create_task(probe.read()) for probe in probes]
        await asyncio.sleep(6)
    await asyncio.gather(*asked)
    for probe in probes:
        probe.asker.wire.close()
    refused = sum(probe.asker.statuses[503] for probe in probes)
    if not refused:
        stage.finds("pools exhausted: nobody was refused")
    return {"refused": refused}


@dataclass(frozen=True, slots=True)
class Fault:
    """`is_alone`: no failpoint strikes beside it."""

    work: Callable[[Stage], Awaitable[dict[str, object]]]
    is_alone: bool = True


FAULTS = {
    "consumer stopped": Fault(stop_consumer),
    "service stopped": Fault(stop_service, is_alone=False),
    "WAL full": Fault(wal_full),
    "Kafka's disk full": Fault(kafka_full),
    "audit's tablespace full": Fault(audit_full),
    "OpenBao's audit device full": Fault(openbao_full),
    "Kafka wiped": Fault(wipe_kafka),
    "clock steps": Fault(clock.steps, is_alone=False),
    "rebalance storm": Fault(flood.storm, is_alone=False),
    "duplicates": Fault(flood.duplicates, is_alone=False),
    "poison": Fault(flood.poison),
    "pools exhausted": Fault(exhaust_pools, is_alone=False),
}
