"""Guest list, guest read and access-log query from 10^3 to 10^6 rows, and from one client to a thousand: flat."""

import asyncio
import random
from uuid import UUID

from performance.figure import Figure
from performance.load import drive, middle, request
from performance.stage import as_gateway, headers
from support.database import superuser
from support.hotel import Hotel, found
from support.machine import Machine

FEW, MANY, CLIENTS = 1_000, 1_000_000, 1_000
ROUNDS = 7
COUNT = 150  # requests of a kind in a round
_MADE = 300  # of a hotel's guests come through the API, so that they open; the rest only has to be in the way

# Rows as the platform would have them, older than everything that the API made. Nobody opens these.
_GUESTS = """
INSERT INTO guest (client_id, guest_id, sealed, created_at)
SELECT c, {id}, decode(repeat(md5(n::text), 12), 'hex'), timestamptz '2026-01-01' + n * interval '10 ms'
  FROM unnest($1::uuid[]) AS c, generate_series(1, $2::int) AS n
"""
_KEYS = """
INSERT INTO guard.subject_key (client_id, subject_id, data_key_id, wrapped)
SELECT g.client_id, g.guest_id, k.data_key_id, decode(repeat('00', 61), 'hex')
  FROM guest g JOIN guard.data_key k ON k.client_id = g.client_id AND k.purpose = 'data'
 WHERE g.client_id = ANY ($1) AND NOT EXISTS (
       SELECT FROM guard.subject_key s WHERE s.client_id = g.client_id AND s.subject_id = g.guest_id)
"""
_DATA_KEYS = """
INSERT INTO guard.data_key (client_id, data_key_id, purpose, wrapped, created_at)
SELECT c, gen_random_uuid(), 'data', 'nobody opens this', now() FROM unnest($1::uuid[]) AS c
"""
_EVENTS = """
INSERT INTO access_event (client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action,
                          resource_types, resource_ids, guest_id, ip, user_agent, outcome, request_id, salt)
SELECT c, {id}, 1, timestamptz '2026-11-01' + n * interval '10 ms', 'tenant_data', 'user', (n % 20)::text, 'agent',
       (ARRAY['guest:read', 'guest:list', 'call:read', 'guest:update'])[1 + n % 4], ARRAY['guest'],
       ARRAY[(n % 5000)::text], NULL, '10.0.0.' || n % 200, 'bench', 'allowed', n::text, sha256(n::text::bytea)
  FROM unnest($1::uuid[]) AS c, generate_series(1, $2::int) AS n
"""
# A UUIDv7 of the row's own time, with n for its order (RFC 9562).
_ID = (
    "(lpad(to_hex((extract(epoch FROM timestamptz '{since}' + n * interval '10 ms') * 1000)::bigint), 12, '0')"
    " || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(c::text || n), 1, 15))::uuid"
)


async def measure(stack: Machine, *_: Hotel) -> list[Figure]:
    """On an empty platform, with hotels of its own: what other benches left would make a small start a large one."""
    await asyncio.to_thread(_empty, stack)
    with found(stack, "Finch Cottage") as small, found(stack, "Crane Palace") as large:
        return await _grown(stack, small, large)


def _empty(stack: Machine) -> None:
    stack.konci("down", "--wipe")
    stack.up()


async def _grown(stack: Machine, small: Hotel, large: Hotel) -> list[Figure]:
    """`small` keeps 10^3 rows while the platform grows around it; `large` then gets 10^6 of its own."""
    async with superuser(stack, "audit") as connection:
        rows = await connection.fetchval("SELECT count(*) FROM access_event")
    assert rows < FEW, f"{rows} entries are in the log before anything was measured"
    for hotel in (small, large):
        await asyncio.to_thread(_make, hotel)
    await _fill(stack, [small.client_id], FEW - _MADE)
    alone = await _latencies(stack, [small])
    chance = random.Random(7)
    await _fill(stack, [UUID(int=chance.getrandbits(128), version=4) for _ in range(CLIENTS - 1)], FEW)
    await _fill(stack, [large.client_id], MANY - _MADE)
    grown = await _latencies(stack, [small, large])
    return [
        *_figures("1 to 1 000 clients", alone[small.name], grown[small.name]),
        *_figures("10³ to 10⁶ rows", grown[small.name], grown[large.name]),
    ]


def _figures(growth: str, before: dict[str, float], after: dict[str, float]) -> list[Figure]:
    return [
        Figure(
            f"{kind}, {growth}", after[kind] / before[kind], 2.0,
            f"median latency of {ROUNDS} rounds of {COUNT}, one connection straight to the service:"
            f" {before[kind] * 1000:.2f} ms, then {after[kind] * 1000:.2f} ms",
            is_ceiling=True, unit="×",
        )
        for kind in before
    ]  # fmt: skip


def _make(hotel: Hotel) -> None:
    for number in range(_MADE):
        hotel.guest(email=f"guest{number}@example.com")


async def _fill(stack: Machine, clients: list[UUID], each: int) -> None:
    async with superuser(stack, "tenant_data") as connection:
        known = {row["client_id"] for row in await connection.fetch("SELECT DISTINCT client_id FROM guard.data_key")}
        await connection.execute(_DATA_KEYS, [client for client in clients if client not in known])
        await connection.execute(_GUESTS.format(id=_ID.format(since="2026-01-01")), clients, each, timeout=600)
        await connection.execute(_KEYS, clients, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    async with superuser(stack, "audit") as connection:
        await connection.execute(_EVENTS.format(id=_ID.format(since="2026-11-01")), clients, each, timeout=900)
        await connection.execute("VACUUM ANALYZE", timeout=600)


async def _latencies(stack: Machine, hotels: list[Hotel]) -> dict[str, dict[str, float]]:
    """Median latency by hotel and kind, the hotels in turn within each round."""
    context = as_gateway(stack)
    found: dict[str, dict[str, list[float]]] = {hotel.name: {} for hotel in hotels}
    asked = {hotel.name: await asyncio.to_thread(_requests, hotel) for hotel in hotels}
    for turn in range(ROUNDS + 1):
        for hotel in hotels:
            for kind, (service, requests) in asked[hotel.name].items():
                load = await drive(stack.port_of(service), context, requests, connections=1, count=COUNT)
                assert set(load.statuses) == {200}, (kind, load.statuses)
                if turn:
                    found[hotel.name].setdefault(kind, []).append(load.quantile(0.5))
    return {hotel: {kind: middle(values) for kind, values in kinds.items()} for hotel, kinds in found.items()}


def _requests(hotel: Hotel) -> dict[str, tuple[str, list[bytes]]]:
    page = hotel.agent.get("/v1/guests?limit=50").json()
    guests = [guest["id"] for guest in page["items"]]
    agent, admin = headers(hotel.agent), headers(hotel.admin)
    queries = ("action=guest:read", "actor_id=7", "resource_type=guest&resource_id=77", "from=2026-11-01T00:00:01Z")
    return {
        "guest list": ("tenant_data", [request("GET", f"/v1/guests?limit=50&cursor={page['next_cursor']}", agent)]),
        "guest read": ("tenant_data", [request("GET", f"/v1/guests/{guest}", agent) for guest in guests]),
        "access-log query": ("audit", [request("GET", f"/v1/access-events?limit=50&{q}", admin) for q in queries]),
    }
