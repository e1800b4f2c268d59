"""What other services say: how long a client keeps recordings, which calls and guests are gone, whose a call is now.

A repeated event changes nothing. Nothing is deleted here: what is gone is noted, and who looks after it is woken.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from events.call import CallDeleted, call_event_of
from events.client import ClientOffboarded, client_event_of
from events.guest import GuestErased
from guard import database
from guard.database import Connection, Pool
from guard.inbox import Handler
from recording_storage.store import call, client, guest

CLIENTS = "auth.clients"
CALLS = "tenant_data.calls"
GUESTS = "tenant_data.guests"
# As `auth` has it for a new client: for one of which no more is left to be heard than that it has left.
DAYS_OF_A_NEW_CLIENT = 90


class Misattributed(Exception):
    """What is said of a client came under another one's key: it was not sent by the topic's owner."""


def learn_clients(jobs: Pool) -> Handler:
    """Takes a batch of `auth.clients`, as the job role."""

    async def learn(records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            said = client_event_of(record.value)
            _require_own(record, said.client_id)
            async with database.translate(), jobs.acquire() as connection, connection.transaction():
                if isinstance(said, ClientOffboarded):
                    await client.close_client(connection, said.client_id, said.at, DAYS_OF_A_NEW_CLIENT)
                else:
                    days = said.settings.retention.recordings_days
                    await client.save_client(connection, said.client_id, days, said.at)

    return learn


def learn_calls(jobs: Pool, wake_sweep: Callable[[], None]) -> Handler:
    """Takes a batch of `tenant_data.calls`, each in a transaction of its own."""

    async def learn(records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            async with database.translate(), jobs.acquire() as connection, connection.transaction():
                await _learn_call(connection, record)
        wake_sweep()

    return learn


def learn_guests(jobs: Pool, wake_inquiry: Callable[[], None]) -> Handler:
    """Takes a batch of `tenant_data.guests`, each in a transaction of its own."""

    async def learn(records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            said = GuestErased.model_validate_json(record.value)
            _require_own(record, said.client_id)
            async with database.translate(), jobs.acquire() as connection, connection.transaction():
                await guest.bury_guest(connection, said.client_id, said.guest_id)
        wake_inquiry()

    return learn


async def _learn_call(connection: Connection, record: ConsumerRecord) -> None:
    said = call_event_of(record.value)
    _require_own(record, said.client_id)
    if isinstance(said, CallDeleted):
        await call.bury_call(connection, said.client_id, said.call_id)
    else:
        await call.assign_call(connection, said.client_id, said.call_id, said.guest_id, said.at)


def _require_own(record: ConsumerRecord, client_id: UUID) -> None:
    if record.key != str(client_id).encode():
        raise Misattributed(record.topic)
