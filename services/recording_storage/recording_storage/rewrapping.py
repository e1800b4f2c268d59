"""Recordings' keys follow their client's key: what an older version of it wrapped is wrapped anew by the newest (02.1).

Moves no plaintext and touches no object. Cut short at any point, the next run goes on; it never deletes a key.
"""

import asyncio
import logging
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from guard import database, errors
from guard.database import Pool
from guard.vault import Refused, Vault
from recording_storage.key import version_of
from recording_storage.store import key as store

_BATCH = 200  # keys listed at once
_FIRST = 600.0  # seconds after the start, so that a service that restarts often does not ask OpenBao each time
_EVERY = 3600.0  # seconds; asking whether a key has turned is one read for each client
_NONE = UUID(int=0)

_log = logging.getLogger("recording_storage.rewrapping")
left = Gauge("konci_recording_keys_old", "Recordings' keys under an older version of their client's key")


async def run(jobs: Pool, vault: Vault, service: str) -> None:
    """Rewraps until cancelled; what is away is waited for, and the next run goes on."""
    pause = _FIRST
    while True:
        await asyncio.sleep(pause)
        pause = _EVERY
        try:
            if done := await rewrap(jobs, vault, service):
                _log.info("recordings' keys rewrapped", extra={"count": done})
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("rewrapping waits", extra={"error": type(failed).__name__})


async def rewrap(jobs: Pool, vault: Vault, service: str) -> int:
    """How many keys were wrapped by an older version of their client's key, and are no more. Raises Unavailable.

    `konci_recording_keys_old` says how many are left, while it works and at its end.
    """
    async with database.translate(), jobs.acquire() as connection:
        clients = await store.clients_with_keys(connection)
    turned = {row["client_id"]: await _newest(vault, service, row["client_id"], row["oldest"]) for row in clients}
    old: dict[UUID, int] = {}
    for client_id, newest in turned.items():
        async with database.translate(), jobs.acquire() as connection:
            old[client_id] = await store.count_older(connection, client_id, newest)
    left.set(sum(old.values()))
    behind = [client_id for client_id, count in old.items() if count]
    return sum([await _follow(jobs, vault, service, client_id, turned[client_id]) for client_id in behind])


async def _newest(vault: Vault, service: str, client_id: UUID, oldest: int) -> int:
    try:
        return await vault.key_version(service, client_id)
    except Refused:
        # Destroyed: nothing of one client may keep the others from theirs.
        _log.warning("a client's key is not there", extra={"client_id": str(client_id)})
        return oldest


async def _follow(jobs: Pool, vault: Vault, service: str, client_id: UUID, newest: int) -> int:
    done, after = 0, _NONE
    while True:
        async with database.translate(), jobs.acquire() as connection:
            rows = await store.older_keys(connection, client_id, newest, after, _BATCH)
        for row in rows:
            after = row["recording_id"]
            done += await _one(jobs, vault, service, client_id, row)
        if len(rows) < _BATCH:
            return done


async def _one(jobs: Pool, vault: Vault, service: str, client_id: UUID, row: asyncpg.Record) -> bool:
    try:
        again = await vault.rewrap(service, client_id, row["wrapped"])
        version = version_of(again)
    except (Refused, ValueError):
        _log.warning("a recording's key was not rewrapped", extra={"client_id": str(client_id)})
        return False
    async with database.translate(), jobs.acquire() as connection:
        await store.replace_wrapped(
            connection, client_id, row["recording_id"], before=row["wrapped"], after=again, version=version
        )
    left.dec()
    return True
