"""The first answer again for a repeated `POST`: sealed like the data, kept a day, each replay an access of its own.

An answer never outlives what it shows: what was deleted or moved leaves the key's hash behind, and no content (02.1).
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import orjson
from fastapi import Header
from pydantic import BaseModel

from guard import database, errors
from guard.access import Access
from guard.clock import Clock
from guard.database import Pool

_log = logging.getLogger("guard.idempotency")
_KEPT = timedelta(hours=24)
_SWEEP = 3600.0  # seconds between two sweeps
_FORGOTTEN = b""  # in place of the sealed answer and of the body's hash
_GONE = "What this Idempotency-Key created has been erased, or belongs to another since."

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the first request with this key created, and how it was answered."""

    resource: str
    resource_id: UUID
    subject_id: UUID
    answer: dict[str, Any]


async def recall(access: Access, key: str | None, body: BaseModel) -> Earlier | None:
    """The first answer to `key`, if there was one within 24 h.

    Raises Conflict when that request had another body, or when what it created was deleted or moved since. Two requests
    with one key at a time: the second waits for the first one's commit.
    """
    if key is None:
        return None
    key_hash = _hash(access, key)
    await access.connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"idempotency|{access.client_id}|{key_hash.hex()}"
    )
    row = await access.fetchrow(
        "SELECT body_hash, resource, resource_id, subject_id, sealed, created_at FROM guard.idempotency"
        " WHERE client_id = $1 AND key_hash = $2",
        key_hash,
    )
    if row is None:
        return None
    if row["created_at"] <= access.now - _KEPT:
        await access.execute("DELETE FROM guard.idempotency WHERE client_id = $1 AND key_hash = $2", key_hash)
        return None
    if row["sealed"] == _FORGOTTEN:
        raise errors.Conflict(_GONE)
    if row["body_hash"] != await _body_hash(access, body):
        raise errors.Conflict("This Idempotency-Key was used with another body.")
    keys = await access.subject_keys([row["subject_id"]])
    if row["subject_id"] not in keys:
        raise errors.Conflict(_GONE)
    answer = keys[row["subject_id"]].open(row["sealed"], ("idempotency", row["resource_id"]))
    return Earlier(row["resource"], row["resource_id"], row["subject_id"], answer)


async def remember(access: Access, key: str | None, body: BaseModel, earlier: Earlier) -> None:
    """Keeps the answer of a creating request in its own transaction, sealed with the subject's key."""
    if key is None:
        return
    subject_key = await access.subject_key(earlier.subject_id)
    await access.execute(
        "INSERT INTO guard.idempotency"
        " (client_id, key_hash, body_hash, resource, resource_id, subject_id, sealed, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        _hash(access, key),
        await _body_hash(access, body),
        earlier.resource,
        earlier.resource_id,
        earlier.subject_id,
        subject_key.seal(earlier.answer, ("idempotency", earlier.resource_id)),
        access.now,
    )


async def forget(access: Access, resource: str, resource_ids: Sequence[UUID]) -> None:
    """Drops the answers that show these resources, when they are deleted or pass to another subject.

    For the rest of the day their keys are a Conflict: neither the content again, nor a second creation by a retry.
    """
    await access.execute(
        "WITH shown AS (DELETE FROM guard.idempotency"
        "  WHERE client_id = $1 AND resource = $2 AND resource_id = ANY($3::uuid[])"
        "  RETURNING key_hash, resource_id, subject_id, created_at)"
        " INSERT INTO guard.idempotency"
        " (client_id, key_hash, body_hash, resource, resource_id, subject_id, sealed, created_at)"
        " SELECT $1, key_hash, $4, $2, resource_id, subject_id, $4, created_at FROM shown",
        resource,
        list(resource_ids),
        _FORGOTTEN,
    )


async def sweep(pool: Pool, clock: Clock) -> None:
    """Deletes answers older than a day, every hour until cancelled. `pool` is the job role's."""
    while True:
        try:
            async with database.translate(), pool.acquire() as connection:
                await connection.execute(
                    "-- every client: an answer older than a day is nobody's any more\n"
                    "DELETE FROM guard.idempotency WHERE created_at <= $1",
                    clock.now() - _KEPT,
                )
        except (errors.Unavailable, asyncpg.PostgresError) as failed:
            _log.warning("sweep failed", extra={"error": type(failed).__name__})
        await asyncio.sleep(_SWEEP)


def _hash(access: Access, key: str) -> bytes:
    return hashlib.sha256(f"{access.caller.kind}|{access.caller.id}|{access.action}|{key}".encode()).digest()


async def _body_hash(access: Access, body: BaseModel) -> bytes:
    # Keyed: a bare hash of a short body (a name, a number) could be guessed from the stored value.
    canonical = orjson.dumps(body.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return await access.blind_index("idempotency", hashlib.sha256(canonical).hexdigest())
