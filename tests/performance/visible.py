"""From the answer of an access until its entry is visible in the log, at 500 events a second."""

import asyncio
import time

import httpx2

from performance.figure import Figure
from performance.stage import as_gateway, headers
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine

RATE = 500  # accesses a second, begun on the clock whether or not earlier ones are answered
SECONDS = 20.0
_LOOK = 0.02  # seconds between two looks at the log; counted against us


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """Each entry is seen from outside: committed, in the audit database, by its own id."""
    guests = [hotel.guest()["id"] for _ in range(20)]
    answered: dict[str, float] = {}
    seen: dict[str, float] = {}
    done = asyncio.Event()
    looking = asyncio.create_task(_look(stack, answered, seen, done))
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncClient(
        base_url=stack.url_of("tenant_data"), verify=as_gateway(stack), trust_env=False, timeout=10, limits=limits
    ) as http:
        took = await _steadily(http, hotel, guests, answered)
    done.set()
    await looking
    assert len(seen) == len(answered), f"{len(answered) - len(seen)} entries were not seen within 10 s"
    delays = sorted(max(seen[event] - answered[event], 0.0) for event in answered)
    p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
    rate = len(answered) / took
    assert rate > RATE * 0.95, f"only {rate:.0f} accesses a second were made: this measures nothing"
    return Figure(
        "access until visible in the log, p99", p99, 1.0,
        f"{len(answered)} guarded reads begun at {RATE}/s ({rate:.0f}/s made): p50 {p50 * 1000:.0f} ms, p99"
        f" {p99 * 1000:.0f} ms, longest {delays[-1] * 1000:.0f} ms",
        is_ceiling=True, unit=" s", series={"delays": delays[:: max(len(delays) // 500, 1)]},
    )  # fmt: skip


async def _steadily(http: httpx2.AsyncClient, hotel: Hotel, guests: list[str], answered: dict[str, float]) -> float:
    async def read(number: int) -> None:
        answer = await http.get(f"/v1/guests/{guests[number % len(guests)]}", headers=headers(hotel.agent))
        assert answer.status_code == 200, answer.text
        answered[answer.headers["access-event"]] = time.perf_counter()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(RATE * SECONDS)):
            tasks.create_task(read(number))
            await asyncio.sleep(max(began + (number + 1) / RATE - time.perf_counter(), 0))
    return time.perf_counter() - began


async def _look(stack: Machine, answered: dict[str, float], seen: dict[str, float], done: asyncio.Event) -> None:
    ended_at = float("inf")
    async with superuser(stack, "audit") as connection:
        while not (done.is_set() and len(seen) >= len(answered)) and time.perf_counter() < ended_at + 10:
            waiting = [event for event in list(answered) if event not in seen]
            rows = await connection.fetch(
                "SELECT event_id::text AS id FROM access_event WHERE event_id = ANY($1::uuid[])", waiting
            )
            now = time.perf_counter()
            seen.update((row["id"], now) for row in rows)
            if done.is_set() and ended_at == float("inf"):
                ended_at = now
            await asyncio.sleep(_LOOK)
