"""The door to customer data: transaction, sealed client and access event in one (04.4, invariants 1, 2 and 5).

A transaction that noted no access cannot commit, and no connection can be had without a caller.
"""

from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NoReturn
from uuid import UUID

import asyncpg
from fastapi import Depends, Request

from events.access import AccessEvent, Action, Actor, Outcome, Resource, new_salt
from events.event import Event
from events.topic import TOPICS
from events.uuid7 import uuid7
from guard import errors, outbox, tenant
from guard.clock import Clock
from guard.database import Connection, Pools
from guard.identity import Caller
from guard.keys import Keyring, SubjectKey
from guard.outbox import Message, Relay
from guard.seal import SealKey

_RESOURCES = 1000  # in one event, at most (events.access)
_REASON = 512  # characters of one event's, the same
_NOTE = 200  # characters that a service may add to it


class Untouched(RuntimeError):
    """A transaction was about to commit without saying what it touched. A defect of the route, never of the request."""


class _Missed(errors.NotFound):
    """A miss by id, with the resource as it was asked for; rendered exactly as any NotFound (invariant 12)."""

    def __init__(self, resource: Resource) -> None:
        super().__init__()
        self.resource = resource


@dataclass(slots=True)
class Access:
    """An open transaction of one caller for one action. Statements get the client as `$1`: yours begin at `$2`."""

    door: "Door"
    connection: Connection
    caller: Caller
    action: Action
    now: datetime
    event_id: UUID
    _touched: dict[Resource, UUID | None] = field(default_factory=dict)
    _is_noted: bool = False
    outcome: Outcome = Outcome.ALLOWED
    _note: str | None = None

    @property
    def client_id(self) -> UUID:
        """The caller's client: the only one there is in here."""
        return self.caller.client_id

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a literal statement with `client_id = $1` in it."""
        return await self.connection.fetch(sql, self.client_id, *arguments)

    async def fetchrow(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of a literal statement with `client_id = $1` in it, or None."""
        return await self.connection.fetchrow(sql, self.client_id, *arguments)

    async def execute(self, sql: str, *arguments: object) -> int:
        """Runs a literal statement with `client_id = $1` in it; how many rows it changed."""
        tag = await self.connection.execute(sql, self.client_id, *arguments)
        last = tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    def touch(self, kind: str, resource_id: UUID | str, guest_id: UUID | None = None) -> None:
        """Notes a resource that this access read or changed, and the guest that it concerns."""
        self._is_noted = True
        self._touched[Resource(type=kind, id=str(resource_id))] = (
            UUID(str(resource_id)) if kind == "guest" else guest_id
        )

    def touch_none(self) -> None:
        """Notes that the access was made and found nothing: an empty list is an access too."""
        self._is_noted = True

    def note(self, text: str) -> None:
        """Says more in the event's `reason`, before the caller's own: how much was played, under which rule it ended.

        Up to 200 characters of the service's words, never a guest's; raises ValueError beyond. The last note counts.
        """
        if len(text) > _NOTE:
            raise ValueError(f"a note has up to {_NOTE} characters")
        self._note = text

    def missed(self, kind: str, resource_id: UUID | str) -> NoReturn:
        """Raises NotFound, the same for a foreign and an absent id; the refusal is committed before the answer."""
        raise _Missed(Resource(type=kind, id=str(resource_id)))

    async def new_subject_key(self, subject_id: UUID) -> SubjectKey:
        """A key for a person (or a call without one) that is being created in this transaction."""
        return await self.door.keyring.create(self.connection, self.client_id, subject_id, self.now)

    async def subject_key(self, subject_id: UUID) -> SubjectKey:
        """The key of one subject. Raises NotFound when it was forgotten."""
        keys = await self.subject_keys([subject_id])
        if subject_id not in keys:
            raise errors.NotFound
        return keys[subject_id]

    async def subject_keys(self, subject_ids: list[UUID]) -> dict[UUID, SubjectKey]:
        """The keys of many subjects in one statement; forgotten ones are absent."""
        return await self.door.keyring.subject_keys(self.connection, self.client_id, subject_ids)

    async def unwrap(self, subject_id: UUID, data_key_id: UUID, wrapped: bytes) -> SubjectKey:
        """The subject's key from a row that was joined with `guard.subject_key`: no statement of its own."""
        return await self.door.keyring.unwrap(self.connection, self.client_id, subject_id, data_key_id, wrapped)

    async def forget(self, subject_ids: list[UUID]) -> None:
        """Deletes the keys of persons: whatever was sealed for them anywhere no longer opens."""
        await self.connection.execute(
            "DELETE FROM guard.subject_key WHERE client_id = $1 AND subject_id = ANY($2::uuid[])",
            self.client_id,
            subject_ids,
        )

    async def blind_index(self, field_name: str, value: str) -> bytes:
        """The 32 bytes under which `value` (already normalised) of `field_name` is looked up."""
        return await self.door.keyring.blind_index(self.connection, self.client_id, field_name, value, self.now)

    async def publish(self, topic: str, key: str, event: Event) -> None:
        """A domain event, sent if and only if this transaction commits. `topic` is one of `events/topics.yaml`."""
        message = Message(self.client_id, uuid7(self.now), TOPICS[topic].name, key, event.payload())
        await outbox.put(self.connection, [message])

    def events(self) -> list[AccessEvent]:
        """What will be written to the client's log: one event, or more when it names over a thousand resources."""
        guests = {guest for guest in self._touched.values() if guest is not None}
        touched = tuple(self._touched)
        return [
            _event(
                self.door, self.caller, self.action, self.event_id if first == 0 else uuid7(self.now), self.now,
                resources=touched[first : first + _RESOURCES],
                guest_id=next(iter(guests)) if len(guests) == 1 else None,
                outcome=self.outcome,
                note=self._note,
            )
            for first in range(0, max(len(touched), 1), _RESOURCES)
        ]  # fmt: skip

    async def commit_event(self) -> None:
        """Puts the event in the outbox. Raises Untouched when nothing was noted, Unavailable when it is refused."""
        if not self._is_noted:
            raise Untouched(self.action)
        await _put(self.connection, self.events())


def _event(
    door: "Door", caller: Caller, action: Action, event_id: UUID, now: datetime, *,
    resources: tuple[Resource, ...], guest_id: UUID | None, outcome: Outcome, note: str | None = None,
) -> AccessEvent:  # fmt: skip
    return AccessEvent(
        event_id=event_id,
        occurred_at=now,
        service=door.service,
        client_id=caller.client_id,
        actor=Actor(type=caller.kind, id=caller.id, label=caller.label),
        action=action,
        resources=resources,
        guest_id=guest_id,
        ip=caller.ip,
        user_agent=caller.user_agent,
        outcome=outcome,
        reason=caller.reason if note is None else f"{note}; {caller.reason}"[:_REASON] if caller.reason else note,
        request_id=caller.request_id,
        trace_id=caller.trace_id,
        salt=new_salt(),
    )


async def _put(connection: Connection, events: Sequence[AccessEvent]) -> None:
    messages = [
        Message(event.client_id, event.event_id, f"access.{event.service}", str(event.client_id), event.payload())
        for event in events
    ]
    try:
        await outbox.put(connection, messages)
    except asyncpg.PostgresError as refused:
        # Fail closed (invariant 14): what cannot be recorded is not answered.
        raise errors.Unavailable from refused


@dataclass(slots=True)
class Door:
    """Everything an access needs, once for each process."""

    service: str
    pools: Pools
    seal_key: SealKey
    keyring: Keyring
    clock: Clock
    relay: Relay

    def entry(self, state: MutableMapping[str, Any] | None = None) -> "Entry":
        """The door as one request sees it; `state` is where its answer's headers are gathered."""
        return Entry(self, {} if state is None else state)

    def platform(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction without a client, for tables of the platform: every tenant table refuses it."""
        return tenant.platform_transaction(self.pools.request)

    def service_caller(self, client_id: UUID, *, reason: str | None = None, request_id: str = "") -> Caller:
        """This service itself as a caller; `client_id` must come from a verified event, credential or certificate."""
        return Caller("service", self.service, self.service, client_id, reason=reason, request_id=request_id)


@dataclass(slots=True)
class Entry:
    """The door for one request: what it commits is named in the answer's `Access-Event` header."""

    door: Door
    state: MutableMapping[str, Any]

    @asynccontextmanager
    async def open(self, caller: Caller, action: Action) -> AsyncIterator[Access]:
        """A transaction for `caller` that commits together with its access event, or not at all.

        Raises Forbidden without the right (03.4: a route that forgets its check is still closed), Unavailable when
        the database, the outbox or the keys are away. A miss by id is committed as a refusal before it is answered.
        """
        if not caller.may(action):
            await self.refuse(caller, action)
            raise errors.Forbidden(action)
        now = self.door.clock.now()
        event_id = uuid7(now)
        try:
            async with tenant.transaction(self.door.pools.request, caller, self.door.seal_key) as connection:
                access = Access(self.door, connection, caller, action, now, event_id)
                yield access
                await access.commit_event()
        except _Missed as missed:
            await self.refuse(caller, action, missed.resource)
            raise errors.NotFound from None
        self._committed(event_id)

    async def refuse(self, caller: Caller, action: Action, *resources: Resource) -> None:
        """Commits a refusal (403, or a miss by id) to the log of the caller's own client."""
        now = self.door.clock.now()
        event = _event(
            self.door, caller, action, uuid7(now), now, resources=resources, guest_id=None, outcome=Outcome.DENIED
        )
        async with tenant.transaction(self.door.pools.request, caller, self.door.seal_key) as connection:
            await _put(connection, [event])
        self._committed(event.event_id)

    def _committed(self, event_id: UUID) -> None:
        self.state["access_event"] = str(event_id)
        self.door.relay.wake()


async def _entry(request: Request) -> Entry:
    # `async` on purpose, as every dependency here: FastAPI runs a plain function in a thread, for ten times its work.
    door: Door = request.app.state.door
    return door.entry(request.scope["state"])


EntryDoor = Annotated[Entry, Depends(_entry)]
"""The door as a route's parameter, then `async with door.open(caller, Action.GUEST_READ) as access`."""
