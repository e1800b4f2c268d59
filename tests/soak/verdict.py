"""The end of a run: everything is up again and settled, then the ledger is held against the log, and told."""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

from soak import calls
from soak import ledger as ledgers
from soak.account import Account
from soak.checker import Verdict, judge
from soak.entry import Entry
from soak.stage import Stage
from support.database import superuser
from support.ledger import waiting
from support.machine import Machine

_SETTLES = 180.0  # seconds; a resend that was doubled a few times lies in them
_COLLECTS = 60.0  # seconds in which the last call that OpenBao noted is in the log


async def settle(stage: Stage) -> float:
    """Seconds until every outbox is empty. What stays in one is a finding."""
    began = time.monotonic()
    await asyncio.to_thread(stage.stack.up)
    left = -1
    while time.monotonic() - began < _SETTLES:
        left = await waiting(stage.stack)
        if not left:
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.5)
    stage.finds(f"{left} events are still in an outbox {_SETTLES:g} s after the last fault")
    return round(time.monotonic() - began, 1)


async def collected(stage: Stage) -> int:
    """How many calls OpenBao has noted, once the last of them is in the log. If it does not get there: a finding."""
    noted = list(calls.read(_noted_by_openbao(stage)))
    began = time.monotonic()
    while time.monotonic() - began < _COLLECTS:
        if await stage.is_logged(noted[-1]):
            return len(noted)
        await asyncio.sleep(0.5)
    stage.finds(f"the last call that OpenBao noted is not in the log {_COLLECTS:g} s later")
    return len(noted)


def _noted_by_openbao(stage: Stage) -> Path:
    return stage.stack.stack.folder("openbao") / "audit.log"


async def _account(stage: Stage, calls_due: int) -> Account:
    async with superuser(stage.stack, "auth") as connection:
        clients = await connection.fetch("SELECT client_id::text AS id FROM client")
    return Account(
        clients=frozenset(row["id"] for row in clients),
        heard=ledgers.heard(stage.ledger.path),
        calls=calls.read(_noted_by_openbao(stage)),
        calls_due=calls_due,
        retold=2 * sum(told["fault"] == "Kafka wiped" for told in stage.faults),
        kept_before=stage.kept_before,
    )


async def entries(stack: Machine) -> AsyncIterator[Entry]:
    """The whole access log, row by row."""
    async with superuser(stack, "audit") as connection, connection.transaction():
        rows = connection.cursor(
            "SELECT event_id::text AS event, extract(epoch FROM occurred_at)::float8 AS at, service,"
            " client_id::text AS client, actor_type, actor_id, action, resource_types, resource_ids, outcome,"
            " user_agent, request_id, extract(epoch FROM stored_at)::float8 AS stored FROM access_event",
            prefetch=2000,
        )
        async for row in rows:
            yield Entry(
                row["event"], row["at"], row["service"], row["client"], row["actor_type"], row["actor_id"],
                row["action"], tuple(zip(row["resource_types"], row["resource_ids"], strict=True)), row["outcome"],
                row["user_agent"], row["request_id"], row["stored"],
            )  # fmt: skip


async def compare(stage: Stage) -> tuple[Verdict, dict[str, object]]:
    """The verdict, and what it cost."""
    began = time.monotonic()
    stage.ledger.flush()
    attempts = ledgers.read(stage.ledger.path)
    calls_due = await collected(stage)
    log = [entry async for entry in entries(stage.stack)]
    # Read after the log: whatever of OpenBao's is in the log must be in its own file by now.
    verdict = judge(attempts, log, await _account(stage, calls_due))
    async with superuser(stage.stack, "tenant_data") as connection:
        there = {str(row["guest_id"]) for row in await connection.fetch("SELECT guest_id FROM guest")}
    made = [attempt for attempt in attempts.values() if attempt.once is not None and attempt.event is not None]
    gone = {name for attempt in made for _, name in attempt.resources or () if name not in there}
    verdict.lost += [f"guest {name} was created and is gone" for name in sorted(gone)]
    cost = {
        "attempts": len(attempts),
        "entries": len(log),
        "calls_of_openbao": calls_due,
        "seconds": round(time.monotonic() - began, 1),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return verdict, cost


def write(path: Path, report: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
