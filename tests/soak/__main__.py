"""`python -m soak`: breaks a stack of its own in every way it knows while clients use it, then checks the access log.

Exit codes: 0 nothing lost, doubled or invented; 1 something was found; 2 wrong use, or no stack to break.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import httpx2
import uvloop

from soak import clock, disks, faults, plan, strikes, traffic, verdict
from soak.disks import Disks
from soak.ledger import Ledger
from soak.plan import Plan, Sizes
from soak.stage import Stage
from soak.wire import Wire
from stack.settings import REPO, Stack, StackError
from support import standing
from support.hotel import Hotel, Patient, found, operator
from support.machine import Machine
from support.standing import NoStack

_PORT = 18_643
_HOTELS = ("Otter House", "Heron Inn", "Kingfisher Lodge")
_GUESTS = 12  # of each hotel, before the run
_TRIES = 3  # at a hotel: a busy machine answers 503 at first
_LONGEST = 2400.0  # seconds a run may take, whatever was asked for


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        description="100 000 accesses under 200 kill -9 and every other fault, then the ledger against the log.",
        epilog="example: PYTHONPATH=tests .venv/bin/python -m soak --minutes 3 --seed 7",
    )
    parser.add_argument("--accesses", type=int, help="how many (default 100000, unless --minutes is given)")
    parser.add_argument("--kills", type=int, help="kill -9 at random (default 200; with --minutes five a minute)")
    parser.add_argument("--minutes", type=float, help="a cut of so many minutes: every fault once, in reduced times")
    parser.add_argument("--seed", type=int, help="repeats the order of kills, failpoints and faults of a run")
    parser.add_argument("--only", choices=plan.FAULTS, action="append", help="these faults, no kills, no failpoints")
    parser.add_argument("--plan", action="store_true", help="print what the seed will do, and do nothing")
    parser.add_argument("--keep", action="store_true", help="leave the run folder (not the stack) behind")
    asked = parser.parse_args(arguments)
    for name in ("accesses", "kills", "minutes"):
        value = getattr(asked, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} must be above 0")
    return asked


def _plan(asked: argparse.Namespace) -> Plan:
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**32)
    sizes = Sizes.cut(asked.minutes) if asked.minutes is not None else Sizes()
    changes = {name: getattr(asked, name) for name in ("accesses", "kills") if getattr(asked, name) is not None}
    made = plan.make(seed, Sizes(**{name: getattr(sizes, name) for name in Sizes.__slots__} | changes))
    if asked.only:
        chosen = tuple(replace(deed, at=0.0) for deed in made.faults if deed.name in asked.only)
        made = replace(made, kills=(), failpoints=(), faults=chosen)
    return made


def _stack() -> Stack:
    run = Path(os.environ.get("KONCI_TEST_RUN", str(REPO / ".run-soak")))
    return Stack(run=run, port=int(os.environ.get("KONCI_TEST_PORT", str(_PORT))), key_cache_seconds=2.0)


def _is_kept() -> bool:
    """As for the tests: a stack that stays up between runs, for whoever works on this program."""
    return bool(os.environ.get("KONCI_TEST_KEEP"))


def _clear(machine: Machine, *, wipe: bool) -> None:
    """Everything of this stack ends, also what a killed run left; its mounts go, and with `wipe` its folder."""
    if machine.run.exists():
        machine.konci("down", check=False)
        disks.unmount(machine.stack)
        if wipe:
            machine.konci("down", "--wipe", check=False)


def _up(machine: Machine) -> Disks:
    """A fresh stack on small disks. Raises NoStack."""
    if clock.library() is None:
        raise NoStack("libfaketime is not installed: run `deploy/local/install.sh --soak` (`make soak` does)")
    kept = disks.of(machine.stack)
    if _is_kept() and all(disk.is_mounted for disk in (kept.wal, kept.kafka, kept.audit, kept.openbao)):
        standing.bring_up(machine)
        return kept
    with standing.needed("what an earlier run left could not be taken down"):
        _clear(machine, wipe=True)
    try:
        placed = disks.place(machine.stack)
    except (disks.Refused, StackError, OSError, PermissionError) as refused:
        _clear(machine, wipe=True)
        raise NoStack(f"no disks could be mounted for it ({refused}): run as root, where mount is allowed") from refused
    with standing.needed(f"the stack in {machine.run} did not come up"):
        if machine.konci("up", check=False).returncode:
            machine.up()  # what was not ready in its time on a busy machine is by now; what is broken still is
        asyncio.run(disks.move_audit(machine, placed.audit))
    standing.bring_up(machine)
    return placed


def _found(machine: Machine, held: ExitStack, ledger: Ledger) -> list[Hotel]:
    with standing.needed(f"no hotel can be founded on it: see {machine.run}/log"):
        operator(machine)
        with ThreadPoolExecutor(len(_HOTELS)) as at_once:
            founded = list(at_once.map(lambda name: _opened(machine, name, ledger), _HOTELS))
    for founding, _ in founded:
        held.push(founding)
    return [hotel for _, hotel in founded]


def _opened(machine: Machine, name: str, ledger: Ledger) -> tuple[AbstractContextManager[Hotel], Hotel]:
    for attempt in range(_TRIES):
        trusted = ssl.create_default_context(cafile=str(machine.run / "ca.pem"))
        hears = {"response": [lambda answer: ledger.hears(answer.headers.get("access-event"))]}
        founding = found(machine, name, transport=Patient(verify=trusted), timeout=60, event_hooks=hears)
        try:
            return founding, founding.__enter__()
        except (AssertionError, httpx2.HTTPError):
            if attempt == _TRIES - 1:
                raise
    raise AssertionError(name)


def _furnish(stage: Stage) -> None:
    for hotel in stage.hotels:
        for place in range(_GUESTS):
            email = f"guest{place}@{hotel.client_id}.example"
            stage.guests[hotel.name].known.append(hotel.guest(email=email))
        hotel.call()


async def _break(stage: Stage) -> None:
    """Traffic, kills, failpoints and faults at once, until all of them are done."""
    wire = Wire(stage.stack.port_of("gateway"), stage.context)
    workers = [asyncio.create_task(traffic.work(stage, number)) for number in range(traffic.WORKERS)]
    keeper = asyncio.create_task(stage.people.keep(stage.ledger, wire))
    teller = asyncio.create_task(_tell(stage))
    breakers = [asyncio.create_task(work) for work in (strikes.kill(stage), strikes.strike(stage), faults.run(stage))]
    try:
        async with asyncio.timeout(_LONGEST):
            for done in asyncio.as_completed([*breakers, asyncio.create_task(stage.until(1.0))]):
                await done
    except TimeoutError:
        stage.finds(f"the run was not through after {_LONGEST:g} s")
    finally:
        stage.is_over.set()
        for task in (*breakers, keeper, teller):
            task.cancel()
        # Requests under way are answered or given up on: what the ledger does not know, it cannot vouch for.
        await asyncio.wait(workers, timeout=30)
        done = await asyncio.gather(*workers, *breakers, keeper, teller, return_exceptions=True)
        wire.close()
    for failed in (error for error in done if isinstance(error, Exception)):
        raise failed


async def _tell(stage: Stage) -> None:
    while True:
        await asyncio.sleep(15)
        stage.say(
            f"kills {stage.kills.total()}, failpoints {stage.struck.total()}, answers {stage.ledger.by_status}, "
            f"unanswered {stage.ledger.unanswered}"
        )
        stage.ledger.flush()


async def _run(stage: Stage) -> dict[str, object]:
    await _break(stage)
    stage.say("traffic ended; waiting until everything is confirmed")
    settled = await verdict.settle(stage)
    stage.say("comparing the ledger with the log")
    judged, cost = await verdict.compare(stage)
    sizes = stage.plan.sizes
    if sizes.accesses is not None and stage.accesses < sizes.accesses:
        stage.finds(f"only {stage.accesses} of {sizes.accesses} accesses")
    holds = judged.holds and not stage.findings
    return {
        "seed": stage.plan.seed,
        "holds": holds,
        "verdict": judged.told(),
        "findings": dict(stage.findings),
        "accesses": stage.accesses,
        "attempts": stage.ledger.attempts,
        "answers": dict(sorted(stage.ledger.by_status.items())),
        "unanswered": stage.ledger.unanswered,
        "kills": {"all": stage.kills.total(), **dict(sorted(stage.kills.items()))},
        "failpoints": {point: stage.struck[point] for point in plan.POINTS},
        "faults": stage.faults,
        "seconds": round(stage.elapsed),
        "settled_after": settled,
        "check": cost,
    }


def _soak(machine: Machine, wanted: Plan, reports: Path) -> int:
    began = time.monotonic()
    placed = _up(machine)
    with ExitStack() as held:
        ledger = held.enter_context(Ledger(reports / "soak-ledger.jsonl"))
        kept_before = time.time() if _is_kept() else 0.0
        hotels = _found(machine, held, ledger)
        stage = Stage(machine, wanted, ledger, placed, hotels, machine.run / "soak-hits", kept_before)
        with standing.needed("its hotels cannot be furnished"):
            _furnish(stage)
        print(f"up and furnished after {time.monotonic() - began:.0f} s", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_started(stage))
    verdict.write(reports / "soak.json", report)
    return _told(report)


async def _started(stage: Stage) -> dict[str, object]:
    stage.start()
    return await _run(stage)


def _told(report: dict) -> int:
    found = report["verdict"]
    for line in (*found["findings"], *(f"{count} × {what}" for what, count in report["findings"].items())):
        print(f"  {line}")
    print(
        f"{report['accesses']} accesses, {report['kills']['all']} kills,"
        f" {sum(report['failpoints'].values())} failpoints, {len(report['faults'])} faults in {report['seconds']} s:"
        f" {found['lost']} lost / {found['doubled']} doubled / {found['invented']} invented"
        f" / {found['untrue']} untrue, {sum(report['findings'].values())} other findings (reports/soak.json)"
    )
    return 0 if report["holds"] else 1


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    wanted = _plan(asked)
    print(f"seed {wanted.seed}", flush=True)
    if asked.plan:
        for kind, deeds in (("kill", wanted.kills), ("failpoint", wanted.failpoints), ("fault", wanted.faults)):
            for deed in deeds:
                print(f"{deed.at:.4f} {kind} {deed.name}")
        return 0
    # The harness's own Kafka clients complain of what is done to their broker; the services' have their logs.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: by way of every `finally`
    machine = Machine(_stack())
    code = 2
    try:
        code = _soak(machine, wanted, REPO / "reports")
    except NoStack as refused:
        print(f"soak: {refused}", file=sys.stderr)
    except KeyboardInterrupt:
        print("soak: told to stop", file=sys.stderr)
        code = 130
    finally:
        if not _is_kept():
            _clear(machine, wipe=code == 0 and not asked.keep)
        print(f"seed {wanted.seed}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
