"""07.1: one trace from the gateway through the service and Kafka to the row in the log."""

import json

from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until


def _spans(stack: Machine, trace_id: str) -> list[tuple[str, str]]:
    """(file, span name) of every span of a trace."""
    return [
        (path.stem, json.loads(line)["name"])
        for path in stack.stack.folder("traces").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        if trace_id in line
    ]


async def test_a_read_is_one_trace(stack: Machine, otter: Hotel) -> None:
    guest = otter.guest()
    event = expect(otter.agent.get(f"/v1/guests/{guest['id']}"), 200).headers["access-event"]
    otter.event(event)
    async with superuser(stack, "audit") as connection:
        trace_id = await connection.fetchval("SELECT trace_id FROM access_event WHERE event_id = $1::uuid", event)
    assert trace_id is not None
    wait_until(
        lambda: {"gateway", "tenant_data", "audit"} <= {file for file, _ in _spans(stack, trace_id)},
        within=10,
        what="the trace",
    )
    assert ("audit", "stored") in _spans(stack, trace_id)
