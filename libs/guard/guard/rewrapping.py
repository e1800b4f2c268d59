"""Data keys follow their client's key: what an older version of it wrapped is wrapped again by the newest (02.1).

Moves no plaintext and touches no sealed row. Cut short at any point, the next run goes on; it never deletes a key.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

import asyncpg

from guard import database, errors
from guard.database import Pool
from guard.vault import Refused, Vault

T = TypeVar("T")

_log = logging.getLogger("guard.rewrapping")
_FIRST = 3600.0  # seconds after the start, so that a service that restarts often does not ask OpenBao each time
_EVERY = 86_400.0  # seconds; client keys turn once a year, or at once when one is suspected
_AGAIN = 30.0  # seconds until what is away is asked again
_TRIES = 20


async def sweep(pool: Pool, vault: Vault, service: str) -> None:
    """Rewraps an hour after the start and then daily, until cancelled. `pool` is the job role's."""
    pause = _FIRST
    while True:
        await asyncio.sleep(pause)
        pause = _EVERY
        if done := await rewrap(pool, vault, service):
            _log.info("data keys rewrapped", extra={"count": done})


async def rewrap(pool: Pool, vault: Vault, service: str) -> int:
    """How many data keys of `service` were wrapped by an older version of their client's key, and are no more.

    A client whose key is destroyed is left alone. While OpenBao or the database is away it waits and goes on where it
    was; what cannot be had for ten minutes is left for the next run, so that nothing of one client keeps the others.
    """
    newest: dict[UUID, int] = {}
    done = 0
    for row in await _patiently(partial(_wrapped, pool)) or ():
        done += bool(await _patiently(partial(_follow, pool, vault, service, row, newest)))
    return done


async def _patiently(work: Callable[[], Awaitable[T]]) -> T | None:
    for _ in range(_TRIES):
        try:
            return await work()
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("rewrapping waits", extra={"error": type(failed).__name__})
            await asyncio.sleep(_AGAIN)
    return None


async def _wrapped(pool: Pool) -> Sequence[asyncpg.Record]:
    async with database.translate(), pool.acquire() as connection:
        return await connection.fetch(
            "-- every client: whose key has turned is not known here\n"
            "SELECT client_id, data_key_id, wrapped FROM guard.data_key ORDER BY client_id"
        )


async def _follow(pool: Pool, vault: Vault, service: str, row: asyncpg.Record, newest: dict[UUID, int]) -> bool:
    """Whether this row had to be wrapped again, and is. `newest` remembers the clients that were asked for."""
    client_id = row["client_id"]
    try:
        if client_id not in newest:
            newest[client_id] = await vault.key_version(service, client_id)
        if _version(row["wrapped"]) >= newest[client_id]:
            return False
        again = await vault.rewrap(service, client_id, row["wrapped"])
    except (Refused, ValueError):
        # Destroyed, or not of OpenBao's making: nothing of one client may keep the others from theirs.
        _log.warning("data key not rewrapped", extra={"client_id": str(client_id)})
        return False
    async with database.translate(), pool.acquire() as connection:
        await connection.execute(
            "UPDATE guard.data_key SET wrapped = $3 WHERE client_id = $1 AND data_key_id = $2 AND wrapped = $4",
            client_id,
            row["data_key_id"],
            again,
            row["wrapped"],
        )
    return True


def _version(wrapped: str) -> int:
    """Of the client's key, in "vault:v3:…" as OpenBao's transit engine writes it. Raises ValueError."""
    engine, _, rest = wrapped.partition(":v")
    if engine != "vault":
        raise ValueError("not a text of OpenBao's")
    return int(rest.partition(":")[0])
