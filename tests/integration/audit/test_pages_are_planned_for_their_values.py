"""04.4: a page of a large log costs what a page of a small one does, however often it was asked for."""

from dataclasses import asdict
from uuid import UUID

import pytest

from audit import store
from audit.search import Search
from events.access import Action
from guard import tenant
from support.hotel import Hotel
from support.machine import Machine
from support.workload import caller, door

SEARCHES = [
    Search(),
    Search(action=Action.GUEST_READ),
    Search(actor_id=str(UUID(int=7))),
    Search(ip="127.0.0.1"),
    Search(resource_type="guest"),
    Search(resource_type="guest", resource_id=str(UUID(int=7))),
]
_PLANS = """
    SELECT coalesce(sum(generic_plans), 0) AS generic, coalesce(sum(custom_plans), 0) AS custom
      FROM pg_prepared_statements WHERE statement LIKE $1
"""


@pytest.mark.parametrize(
    "search",
    SEARCHES,
    ids=lambda search: ",".join(name for name, value in asdict(search).items() if isinstance(value, str)) or "all",
)
async def test_never_by_a_plan_for_any_values(stack: Machine, otter: Hotel, search: Search) -> None:
    """PostgreSQL makes one after five executions; with a million rows its pages took up to 16 s."""
    async with door(stack, "audit") as opened:
        pool, key = opened.pools.request, opened.seal_key
        async with tenant.transaction(pool, caller(otter.client_id), key) as connection:
            for _ in range(8):
                await store.page(connection, otter.client_id, search, 51)
                await store.bounded_page(connection, otter.client_id, search, length=51, resources=100)
            plans = await connection.fetchrow(_PLANS, "%access_event%")
    assert plans is not None
    assert (plans["generic"], plans["custom"]) == (0, 16)
