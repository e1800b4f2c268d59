"""Every SQL statement of this service. Literal text, explicit columns, `client_id = $1` in each (invariant 2).

Nothing here updates or deletes an event; the database's roles could not either.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from asyncpg import Record

from audit import access_event
from audit.search import Search
from audit.vault_file import Position
from events.access import AccessEvent
from guard.access import Access
from guard.database import Connection

_AT_ONCE = 50  # rows that the driver hands over together, each with up to a thousand resources
_BREATH = 1000  # resources

# One statement for each value that narrows most: its index is walked from the newest id and no further than the page.
# All take the same arguments: $2 and $3 bound the id, $4…$8 are values or null, $9 is the length of the page.

_NEWEST = """
SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action, resource_types,
       resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id, salt
  FROM access_event
 WHERE client_id = $1 AND event_id >= $2 AND event_id < $3
   AND ($4::text IS NULL OR actor_id = $4) AND ($5::text IS NULL OR action = $5) AND ($6::text IS NULL OR ip = $6)
   AND $7::text IS NULL AND $8::text IS NULL
 ORDER BY event_id DESC LIMIT $9
"""

_OF_ACTOR = """
SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action, resource_types,
       resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id, salt
  FROM access_event
 WHERE client_id = $1 AND event_id >= $2 AND event_id < $3
   AND actor_id = $4 AND ($5::text IS NULL OR action = $5) AND ($6::text IS NULL OR ip = $6)
   AND $7::text IS NULL AND $8::text IS NULL
 ORDER BY event_id DESC LIMIT $9
"""

_OF_ACTION = """
SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action, resource_types,
       resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id, salt
  FROM access_event
 WHERE client_id = $1 AND event_id >= $2 AND event_id < $3
   AND ($4::text IS NULL OR actor_id = $4) AND action = $5 AND ($6::text IS NULL OR ip = $6)
   AND $7::text IS NULL AND $8::text IS NULL
 ORDER BY event_id DESC LIMIT $9
"""

_OF_ADDRESS = """
SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action, resource_types,
       resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id, salt
  FROM access_event
 WHERE client_id = $1 AND event_id >= $2 AND event_id < $3
   AND ($4::text IS NULL OR actor_id = $4) AND ($5::text IS NULL OR action = $5) AND ip = $6
   AND $7::text IS NULL AND $8::text IS NULL
 ORDER BY event_id DESC LIMIT $9
"""

_OF_RESOURCE = """
SELECT DISTINCT ON (r.event_id)
       e.client_id, e.event_id, e.version, e.occurred_at, e.service, e.actor_type, e.actor_id, e.actor_label, e.action,
       e.resource_types, e.resource_ids, e.guest_id, e.ip, e.user_agent, e.outcome, e.reason, e.request_id, e.trace_id,
       e.salt
  FROM access_event_resource r
  JOIN access_event e ON e.client_id = r.client_id AND e.event_id = r.event_id
 WHERE r.client_id = $1 AND r.event_id >= $2 AND r.event_id < $3
   AND e.client_id = $1 AND e.event_id >= $2 AND e.event_id < $3
   AND ($4::text IS NULL OR e.actor_id = $4) AND ($5::text IS NULL OR e.action = $5)
   AND ($6::text IS NULL OR e.ip = $6) AND ($7::text IS NULL OR r.resource_type = $7) AND r.resource_id = $8
 ORDER BY r.event_id DESC LIMIT $9
"""

_OF_RESOURCE_TYPE = """
SELECT DISTINCT ON (r.event_id)
       e.client_id, e.event_id, e.version, e.occurred_at, e.service, e.actor_type, e.actor_id, e.actor_label, e.action,
       e.resource_types, e.resource_ids, e.guest_id, e.ip, e.user_agent, e.outcome, e.reason, e.request_id, e.trace_id,
       e.salt
  FROM access_event_resource r
  JOIN access_event e ON e.client_id = r.client_id AND e.event_id = r.event_id
 WHERE r.client_id = $1 AND r.event_id >= $2 AND r.event_id < $3
   AND e.client_id = $1 AND e.event_id >= $2 AND e.event_id < $3
   AND ($4::text IS NULL OR e.actor_id = $4) AND ($5::text IS NULL OR e.action = $5)
   AND ($6::text IS NULL OR e.ip = $6) AND r.resource_type = $7 AND $8::text IS NULL
 ORDER BY r.event_id DESC LIMIT $9
"""


def _statement(search: Search) -> str:
    if search.resource_id is not None:
        return _OF_RESOURCE
    if search.resource_type is not None:
        return _OF_RESOURCE_TYPE
    if search.actor_id is not None:
        return _OF_ACTOR
    if search.ip is not None:
        return _OF_ADDRESS
    return _NEWEST if search.action is None else _OF_ACTION


async def page(connection: Connection, client_id: UUID, search: Search, length: int) -> list[AccessEvent]:
    """At most `length` events of the client that the transaction is sealed for, newest first."""
    await _plan_for_values(connection)
    rows = await connection.fetch(_statement(search), *_values(client_id, search, length))
    return [event async for event in _converted(rows)]


async def bounded_page(
    connection: Connection, client_id: UUID, search: Search, *, length: int, resources: int
) -> tuple[list[AccessEvent], bool]:
    """The same, but it ends with the event that has it hold `resources`; and whether there may be more.

    An event has a thousand resources at most, and a page of such events would be hundreds of megabytes.
    """
    await _plan_for_values(connection)
    cursor = await connection.cursor(_statement(search), *_values(client_id, search, length))
    events: list[AccessEvent] = []
    held = 0
    while len(events) < length:
        rows = await cursor.fetch(_AT_ONCE)
        async for event in _converted(rows):
            events.append(event)
            held += len(event.resources)
            if held >= resources:
                return events, True
        if len(rows) < _AT_ONCE:
            return events, False
    return events, True


async def _plan_for_values(connection: Connection) -> None:
    # A plan for any values, which PostgreSQL keeps after five of them, expects a page to be a tenth of all rows, and
    # sorts a million to show fifty (16 s instead of 10 ms).
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")


def _values(client_id: UUID, search: Search, length: int) -> tuple[object, ...]:
    return (
        client_id,
        search.since,
        search.before,
        search.actor_id,
        search.action,
        search.ip,
        search.resource_type,
        search.resource_id,
        length,
    )


async def _converted(rows: Sequence[Record]) -> AsyncIterator[AccessEvent]:
    # A resource is 5 µs of everybody's time: between a thousand and the next, others get their turn.
    resources = 0
    for row in rows:
        yield access_event.of_row(row)
        resources += len(row["resource_ids"])
        if resources >= _BREATH:
            resources = 0
            await asyncio.sleep(0)


async def list_events(access: Access, search: Search, limit: int) -> tuple[list[AccessEvent], bool]:
    """A page, each of its events noted as read, and whether there are more."""
    found = await page(access.connection, access.client_id, search, limit + 1)
    for event in found[:limit]:
        access.touch("access_event", event.event_id)
    access.touch_none()
    return found[:limit], len(found) > limit


async def find_event(access: Access, event_id: UUID) -> AccessEvent:
    """One event, noted as read. Raises NotFound, the same for a foreign and an absent id (invariant 12)."""
    row = await access.fetchrow(
        """SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action,
                  resource_types, resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id, salt
             FROM access_event
            WHERE client_id = $1 AND event_id = $2""",
        event_id,
    )
    if row is None:
        access.missed("access_event", event_id)
    access.touch("access_event", event_id)
    return access_event.of_row(row)


async def insert_events(connection: Connection, events: Sequence[AccessEvent]) -> int:
    """Stores what is not there yet, as the job role; how many that were. What is there stays as it is."""
    tag = await connection.execute(
        """INSERT INTO access_event (client_id, event_id, version, occurred_at, service, actor_type, actor_id,
                                     actor_label, action, resource_types, resource_ids, guest_id, ip, user_agent,
                                     outcome, reason, request_id, trace_id, salt)
           SELECT client_id, event_id, version, occurred_at, service, actor_type, actor_id, actor_label, action,
                  resource_types, resource_ids, guest_id, ip, user_agent, outcome, reason, request_id, trace_id,
                  decode(salt, 'hex')
             FROM json_to_recordset($1::json) AS given (
                  client_id uuid, event_id uuid, version smallint, occurred_at timestamptz, service text,
                  actor_type text, actor_id text, actor_label text, action text, resource_types text[],
                  resource_ids text[], guest_id uuid, ip text, user_agent text, outcome text, reason text,
                  request_id text, trace_id text, salt text)
           ON CONFLICT DO NOTHING""",
        orjson.dumps([access_event.to_row(event) for event in events]).decode(),
    )
    return int(tag.rsplit(" ", 1)[-1])


async def make_months(connection: Connection, at: datetime) -> int:
    """Makes the partitions around `at` that are missing, as the job role; how many."""
    made: int = await connection.fetchval("SELECT access_event_make_months($1)", at)
    return made


async def find_position(connection: Connection, file_name: str) -> Position | None:
    """How far OpenBao's audit file has been read; None when it never was."""
    row = await connection.fetchrow(
        "SELECT first_line, byte_offset FROM vault_position WHERE file_name = $1", file_name
    )
    return None if row is None else Position(row["first_line"], row["byte_offset"])


async def save_position(connection: Connection, file_name: str, position: Position) -> None:
    """Moves the place on, in the transaction that stores what was read up to it."""
    await connection.execute(
        """INSERT INTO vault_position (file_name, first_line, byte_offset) VALUES ($1, $2, $3)
           ON CONFLICT (file_name) DO UPDATE
              SET first_line = excluded.first_line, byte_offset = excluded.byte_offset, moved_at = clock_timestamp()""",
        file_name,
        position.first_line,
        position.byte_offset,
    )
