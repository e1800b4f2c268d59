"""Data keys follow their client's key: what an older version of it wrapped is wrapped again by the newest (02.1).

Moves no plaintext and touches no sealed row. Cut short at any point, the next run goes on; it never deletes a key.
"""

import asyncio
import logging
from uuid import UUID

import asyncpg

from guard import database, errors
from guard.database import Pool
from guard.vault import Refused, Vault

_log = logging.getLogger("guard.rewrapping")
_FIRST = 3600.0  # seconds after the start, so that a service that restarts often does not ask OpenBao each time
_EVERY = 86_400.0  # seconds; client keys turn once a year, or at once when one is suspected


async def sweep(pool: Pool, vault: Vault, service: str) -> None:
    """Rewraps an hour after the start and then daily, until cancelled. `pool` is the job role's."""
    pause = _FIRST
    while True:
        await asyncio.sleep(pause)
        pause = _EVERY
        try:
            if done := await rewrap(pool, vault, service):
                _log.info("data keys rewrapped", extra={"count": done})
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("rewrapping failed", extra={"error": type(failed).__name__})


async def rewrap(pool: Pool, vault: Vault, service: str) -> int:
    """How many data keys of `service` were wrapped by an older version of their client's key, and are no more.

    A client whose key is destroyed is left alone. Raises Unavailable when OpenBao or the database is away.
    """
    async with database.translate(), pool.acquire() as connection:
        rows = await connection.fetch(
            "-- every client: whose key has turned is not known here\n"
            "SELECT client_id, data_key_id, wrapped FROM guard.data_key ORDER BY client_id"
        )
    done = 0
    newest: dict[UUID, int] = {}
    for row in rows:
        client_id = row["client_id"]
        try:
            if client_id not in newest:
                newest[client_id] = await vault.key_version(service, client_id)
            if _version(row["wrapped"]) >= newest[client_id]:
                continue
            again = await vault.rewrap(service, client_id, row["wrapped"])
        except (Refused, ValueError):
            # Destroyed, or not of OpenBao's making: nothing of one client may keep the others from theirs.
            _log.warning("data key not rewrapped", extra={"client_id": str(client_id)})
            continue
        async with database.translate(), pool.acquire() as connection:
            await connection.execute(
                "UPDATE guard.data_key SET wrapped = $3 WHERE client_id = $1 AND data_key_id = $2 AND wrapped = $4",
                client_id,
                row["data_key_id"],
                again,
                row["wrapped"],
            )
        done += 1
    return done


def _version(wrapped: str) -> int:
    """Of the client's key, in "vault:v3:…" as OpenBao's transit engine writes it. Raises ValueError."""
    engine, _, rest = wrapped.partition(":v")
    if engine != "vault":
        raise ValueError("not a text of OpenBao's")
    return int(rest.partition(":")[0])
