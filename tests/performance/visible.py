"""From the answer of an access until its entry is visible in the log, at 500 events a second."""

import asyncio
import time
from uuid import UUID

from performance.figure import Figure
from performance.load import drive, request
from performance.stage import as_gateway, headers
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine

RATE = 500  # accesses a second, begun on the clock whether or not earlier ones are answered
SECONDS = 20.0
CONNECTIONS = 32
_LOOK = 0.02  # seconds between two looks at the log; counted against us


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """Each entry is seen from outside: committed, in the audit database, by its own id."""
    guests = [hotel.guest()["id"] for _ in range(20)]
    answered: dict[str, float] = {}
    seen: dict[str, float] = {}
    done = asyncio.Event()
    looking = asyncio.create_task(_look(stack, hotel.client_id, answered, seen, done))

    def note(head: bytes) -> None:
        event = head.partition(b"access-event: ")[2].split(b"\r", 1)[0].decode()
        answered[event] = time.perf_counter()

    load = await drive(
        stack.port_of("tenant_data"), as_gateway(stack),
        [request("GET", f"/v1/guests/{guest}", headers(hotel.agent)) for guest in guests],
        connections=CONNECTIONS, seconds=SECONDS, rate=RATE, answered=note,
    )  # fmt: skip
    assert set(load.statuses) == {200}, load.statuses
    done.set()
    await looking
    assert len(seen) == len(answered), f"{len(answered) - len(seen)} entries were not seen within 10 s"
    delays = sorted(max(seen[event] - answered[event], 0.0) for event in answered)
    p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
    assert load.rate > RATE * 0.95, f"only {load.rate:.0f} accesses a second were made: this measures nothing"
    return Figure(
        "access until visible in the log, p99", p99, 1.0,
        f"{len(answered)} guarded reads begun at {RATE}/s ({load.rate:.0f}/s made): p50 {p50 * 1000:.0f} ms, p99"
        f" {p99 * 1000:.0f} ms, longest {delays[-1] * 1000:.0f} ms",
        is_ceiling=True, unit=" s", series={"delays": delays[:: max(len(delays) // 500, 1)]},
    )  # fmt: skip


async def _look(
    stack: Machine, client_id: UUID, answered: dict[str, float], seen: dict[str, float], done: asyncio.Event
) -> None:
    ended_at = float("inf")
    async with superuser(stack, "audit") as connection:
        while not (done.is_set() and len(seen) >= len(answered)) and time.perf_counter() < ended_at + 10:
            waiting = [event for event in list(answered) if event not in seen]
            rows = await connection.fetch(
                "SELECT event_id::text AS id FROM access_event WHERE client_id = $1 AND event_id = ANY($2::uuid[])",
                client_id,
                waiting,
            )
            now = time.perf_counter()
            seen.update((row["id"], now) for row in rows)
            if done.is_set() and ended_at == float("inf"):
                ended_at = now
            await asyncio.sleep(_LOOK)
