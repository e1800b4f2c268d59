"""A client-side ledger: what the platform acknowledged, kept outside it, compared with its log after the faults."""

from dataclasses import dataclass, field

from stack.settings import SERVICES
from support.database import superuser
from support.machine import Machine


@dataclass
class Ledger:
    """Answers that carried data, by the event they named, and how many requests got no answer."""

    events: dict[str, str] = field(default_factory=dict)
    unanswered: int = 0
    refused: dict[int, int] = field(default_factory=dict)

    async def missing(self, stack: Machine) -> dict[str, int]:
        """Events that are not in the audit database exactly once, with how often they are."""
        async with superuser(stack, "audit") as connection:
            rows = await connection.fetch(
                "SELECT event_id::text AS id, count(*) AS times FROM access_event WHERE event_id = ANY($1::uuid[])"
                " GROUP BY event_id",
                list(self.events),
            )
        times = {row["id"]: row["times"] for row in rows}
        return {event: times.get(event, 0) for event in self.events if times.get(event, 0) != 1}


async def waiting(stack: Machine) -> int:
    """Outbox rows of all services that audit has not confirmed."""
    total = 0
    for service in SERVICES:
        async with superuser(stack, service) as connection:
            total += await connection.fetchval("SELECT count(*) FROM guard.outbox")
    return total
