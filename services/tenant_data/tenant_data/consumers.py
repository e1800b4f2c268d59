"""What others say: `auth` of clients, `recording_storage` of legal holds. A repeated event changes nothing."""

from collections.abc import Awaitable, Callable, Sequence

from aiokafka.structs import ConsumerRecord

from events.client import ClientOffboarded, client_event_of
from events.hold import HoldLifted, hold_event_of
from guard import database
from guard.database import Connection, Pool
from guard.inbox import Handler
from tenant_data.store import client, held_recording

CLIENTS = "auth.clients"
HOLDS = "recording.holds"

_Learn = Callable[[Connection, ConsumerRecord], Awaitable[None]]


class Misattributed(Exception):
    """What is said of a client came under another one's key: its sender does not send such."""


def learn_clients(jobs: Pool) -> Handler:
    """Takes a batch of `auth.clients` in one transaction of the job role."""
    return _in_one_transaction(jobs, _learn_client)


def learn_holds(jobs: Pool) -> Handler:
    """Takes a batch of `recording.holds` in one transaction of the job role."""
    return _in_one_transaction(jobs, _learn_hold)


def _in_one_transaction(jobs: Pool, learn: _Learn) -> Handler:
    async def handle(records: Sequence[ConsumerRecord]) -> None:
        async with database.translate(), jobs.acquire() as connection, connection.transaction():
            for record in records:
                await learn(connection, record)

    return handle


async def _learn_client(connection: Connection, record: ConsumerRecord) -> None:
    said = client_event_of(record.value)
    if record.key != str(said.client_id).encode():
        raise Misattributed(CLIENTS)
    if isinstance(said, ClientOffboarded):
        await client.close_client(connection, said.client_id, said.at)
    else:
        await client.save_client(connection, said.client_id, said.settings.retention.transcripts_days, said.at)


async def _learn_hold(connection: Connection, record: ConsumerRecord) -> None:
    said = hold_event_of(record.value)
    if record.key != str(said.client_id).encode():
        raise Misattributed(HOLDS)
    if isinstance(said, HoldLifted):
        await held_recording.lift_hold(connection, said.client_id, said.recording_id, said.at)
    else:
        await held_recording.save_hold(connection, said)
