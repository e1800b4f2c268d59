"""What `auth` says of clients: how long transcripts are kept, and who has left. A repeated event changes nothing."""

from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from events.client import ClientOffboarded, client_event_of
from guard import database
from guard.database import Connection, Pool
from guard.inbox import Handler
from tenant_data.store import client

CLIENTS = "auth.clients"


class Misattributed(Exception):
    """What is said of a client came under another one's key: it was not sent by our `auth`."""


def learn_clients(jobs: Pool) -> Handler:
    """Takes a batch of `auth.clients` in one transaction of the job role."""

    async def learn(records: Sequence[ConsumerRecord]) -> None:
        async with database.translate(), jobs.acquire() as connection, connection.transaction():
            for record in records:
                await _learn(connection, record.key, record.value)

    return learn


async def _learn(connection: Connection, key: bytes | None, payload: bytes) -> None:
    said = client_event_of(payload)
    if key != str(said.client_id).encode():
        raise Misattributed(CLIENTS)
    if isinstance(said, ClientOffboarded):
        await client.close_client(connection, said.client_id, said.at)
    else:
        await client.save_client(connection, said.client_id, said.settings.retention.transcripts_days, said.at)
