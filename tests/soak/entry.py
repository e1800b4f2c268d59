"""One row of the access log, as the checker reads it: straight from the table, past the platform's own API."""

from dataclasses import dataclass

from soak.ledger import Resource


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the access log."""

    event: str
    at: float
    service: str
    client: str
    actor_type: str
    actor: str
    action: str
    resources: tuple[Resource, ...]
    outcome: str
    user_agent: str
    request_id: str
    stored: float
