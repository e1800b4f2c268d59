"""From the commit of an access until its entry is visible in the log, at 500 events a second.

The accesses are made at the door of `tenant_data` itself, in this process: two cores that also carry every server have
no room for 500 requests a second over HTTP, and the way from the outbox to the log is the same.
"""

import asyncio
import time
from uuid import UUID

from events.access import Action
from guard.access import Door
from performance.figure import Figure
from support.database import superuser
from support.hotel import Hotel
from support.machine import Machine
from support.workload import caller, door
from tenant_data import guest
from tenant_data.store import guest as store

RATE = 500  # accesses a second, begun on the clock whether or not earlier ones are done
LEAST = RATE * 0.95  # what must be reached of it
SECONDS = 20.0
LANES = 10  # as many connections as the pool gives
_LOOK = 0.02  # seconds between two looks at the log; counted against us


async def measure(stack: Machine, hotel: Hotel) -> Figure:
    """Each entry is seen from outside: committed, in the audit database, by its own id."""
    guests = [UUID(hotel.guest()["id"]) for _ in range(20)]
    answered: dict[str, float] = {}
    seen: dict[str, float] = {}
    done = asyncio.Event()
    looking = asyncio.create_task(_look(stack, hotel.client_id, answered, seen, done))
    async with door(stack, "tenant_data") as opened:
        relaying = asyncio.create_task(opened.relay.run(opened.pools.job))
        took = await _accesses(opened, hotel.client_id, guests, answered)
        done.set()
        await looking
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
    assert len(seen) == len(answered), f"{len(answered) - len(seen)} entries were not seen within 10 s"
    delays = sorted(max(seen[event] - answered[event], 0.0) for event in answered)
    p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
    rate = len(answered) / took
    return Figure(
        f"access until visible in the log, p99, at {rate:.0f} events/s",
        p99 if rate >= LEAST else float("inf"),  # at another rate than was promised nothing is shown
        1.0,
        f"{len(answered)} reads of a guest at the door of tenant_data, begun at {RATE}/s, of which {rate:.1f}/s were"
        f" reached (under {LEAST:g}/s it counts as missed): p50 {p50 * 1000:.0f} ms, p99"
        f" {p99 * 1000:.0f} ms, longest {delays[-1] * 1000:.0f} ms",
        is_ceiling=True, unit=" s", series={"delays": delays[:: max(len(delays) // 500, 1)]},
    )  # fmt: skip


async def _accesses(opened: Door, client_id: UUID, guests: list[UUID], answered: dict[str, float]) -> float:
    """Accesses on the clock; how many seconds they took."""
    began, begun = time.perf_counter(), 0

    async def lane() -> None:
        nonlocal begun
        while (number := begun) < RATE * SECONDS:
            begun += 1
            await asyncio.sleep(max(began + number / RATE - time.perf_counter(), 0))
            entry = opened.entry()
            async with entry.open(caller(client_id), Action.GUEST_READ) as access:
                guest.reveal(await store.find_guest(access, guests[number % len(guests)]))
            answered[entry.state["access_event"]] = time.perf_counter()

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return time.perf_counter() - began


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
