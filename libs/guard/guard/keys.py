"""Field encryption and blind indexes: client keys in OpenBao, data keys cached for a minute, a key per person (02.1).

No key is ever cached, looked up or used without its client beside it, and none is written anywhere unwrapped.
"""

import asyncio
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from events.uuid7 import uuid7
from guard.database import Connection

_VERSION = b"\x01"  # of the sealed blob: version, 12-byte nonce, ciphertext with its 16-byte tag
_NONCE = 12  # bytes; random per message, far below SP 800-38D's 2^32 for a key per person
_CACHED = 10_000  # data keys of so many clients are held unwrapped at most
_USES = 1 << 20  # unwraps of subject keys by one cached data key before it is fetched again


class NotOurs(Exception):
    """A sealed value does not open: another key, another row, or changed bytes. A defect or an attack, never a 404."""


class KeyService(Protocol):
    """What a keyring needs of `guard.vault.Vault` (and of its stand-in in unit tests)."""

    async def new_data_key(self, service: str, client_id: UUID) -> tuple[bytes, str]: ...

    async def unwrap(self, service: str, client_id: UUID, wrapped: str) -> bytes: ...


def _about(client_id: UUID, table: str, row_id: UUID, data_key_id: UUID) -> bytes:
    # Everything that says where a blob belongs: moved to another client, table or row it does not open.
    return f"1|{client_id}|{table}|{row_id}|{data_key_id}".encode()


def _encrypt(key: bytes, plain: bytes, about: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, about)


def _decrypt(key: bytes, blob: bytes, about: bytes) -> bytes:
    if blob[:1] != _VERSION:
        raise NotOurs
    try:
        return AESGCM(key).decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], about)
    except (InvalidTag, ValueError) as refused:
        raise NotOurs from refused


@dataclass(frozen=True, slots=True, repr=False)
class SubjectKey:
    """The 32-byte AES-256-GCM key of one person (or of one call without one) of one client."""

    client_id: UUID
    subject_id: UUID
    data_key_id: UUID
    key: bytes

    def seal(self, fields: Mapping[str, Any], about: tuple[str, UUID]) -> bytes:
        """`fields` as JSON, encrypted for the row `about` = (table, row id)."""
        return _encrypt(self.key, orjson.dumps(fields), _about(self.client_id, *about, self.data_key_id))

    def open(self, blob: bytes, about: tuple[str, UUID]) -> dict[str, Any]:
        """What `seal` was given. Raises NotOurs for any other row, table, client or key."""
        fields: dict[str, Any] = orjson.loads(
            _decrypt(self.key, blob, _about(self.client_id, *about, self.data_key_id))
        )
        return fields


@dataclass(slots=True, repr=False)
class _DataKey:
    data_key_id: UUID
    key: bytes
    expires_at: float  # monotonic
    uses_left: int = _USES


class Keyring:
    """Unwrapped data keys of one service, each for `lifetime` seconds: how long a sealed OpenBao can go unnoticed."""

    def __init__(self, vault: KeyService, service: str, *, lifetime: float = 60.0) -> None:
        self._vault = vault
        self._service = service
        self._lifetime = lifetime
        self._unwrapped: OrderedDict[tuple[UUID, UUID], _DataKey] = OrderedDict()
        self._newest: OrderedDict[tuple[UUID, str], tuple[UUID, float]] = OrderedDict()
        self._fetching: dict[tuple[UUID, UUID], asyncio.Lock] = {}

    async def subject_keys(
        self, connection: Connection, client_id: UUID, subject_ids: list[UUID]
    ) -> dict[UUID, SubjectKey]:
        """The keys that exist among `subject_ids`, by subject; one statement."""
        rows = await connection.fetch(
            "SELECT subject_id, data_key_id, wrapped FROM guard.subject_key"
            " WHERE client_id = $1 AND subject_id = ANY($2::uuid[])",
            client_id,
            subject_ids,
        )
        return {
            row["subject_id"]: await self.unwrap(
                connection, client_id, row["subject_id"], row["data_key_id"], row["wrapped"]
            )
            for row in rows
        }

    async def unwrap(
        self, connection: Connection, client_id: UUID, subject_id: UUID, data_key_id: UUID, wrapped: bytes
    ) -> SubjectKey:
        """The subject key in `wrapped`. Raises Unavailable when OpenBao is needed and away, NotOurs for a misfit."""
        data_key = await self._data_key(connection, client_id, data_key_id)
        key = _decrypt(data_key.key, wrapped, _about(client_id, "subject_key", subject_id, data_key_id))
        return SubjectKey(client_id, subject_id, data_key_id, key)

    async def create(self, connection: Connection, client_id: UUID, subject_id: UUID, now: datetime) -> SubjectKey:
        """A new key for a new subject, stored wrapped in the caller's transaction."""
        data_key = await self._newest_data_key(connection, client_id, "data", now)
        key = os.urandom(32)
        about = _about(client_id, "subject_key", subject_id, data_key.data_key_id)
        await connection.execute(
            "INSERT INTO guard.subject_key (client_id, subject_id, data_key_id, wrapped) VALUES ($1, $2, $3, $4)",
            client_id,
            subject_id,
            data_key.data_key_id,
            _encrypt(data_key.key, key, about),
        )
        return SubjectKey(client_id, subject_id, data_key.data_key_id, key)

    async def blind_index(
        self, connection: Connection, client_id: UUID, field: str, value: str, now: datetime
    ) -> bytes:
        """32 bytes, HMAC-SHA256 under a key of this client and `field`; `value` is normalised by the caller."""
        data_key = await self._newest_data_key(connection, client_id, "index", now)
        key = HKDF(SHA256(), 32, salt=client_id.bytes, info=b"blind-index|" + field.encode()).derive(data_key.key)
        return hmac.digest(key, value.encode(), "sha256")

    async def _newest_data_key(self, connection: Connection, client_id: UUID, purpose: str, now: datetime) -> _DataKey:
        known = self._newest.get((client_id, purpose))
        if known is None or known[1] < time.monotonic():
            row = await connection.fetchrow(
                "SELECT data_key_id FROM guard.data_key WHERE client_id = $1 AND purpose = $2"
                " ORDER BY created_at DESC LIMIT 1",
                client_id,
                purpose,
            )
            if row is None:
                return await self._new_data_key(connection, client_id, purpose, now)
            known = (row["data_key_id"], time.monotonic() + self._lifetime)
            self._newest[client_id, purpose] = known
            _bound(self._newest)
        return await self._data_key(connection, client_id, known[0])

    async def _new_data_key(self, connection: Connection, client_id: UUID, purpose: str, now: datetime) -> _DataKey:
        # Not cached: this transaction may still roll back, and a cached key without its row would lose data.
        # The index key is unique per client: of two first writers one waits here, then finds the other's.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"data_key|{client_id}")
        row = await connection.fetchrow(
            "SELECT data_key_id FROM guard.data_key WHERE client_id = $1 AND purpose = $2 LIMIT 1", client_id, purpose
        )
        if row is not None:
            return await self._data_key(connection, client_id, row["data_key_id"])
        key, wrapped = await self._vault.new_data_key(self._service, client_id)
        data_key_id = uuid7(now)
        await connection.execute(
            "INSERT INTO guard.data_key (client_id, data_key_id, purpose, wrapped, created_at)"
            " VALUES ($1, $2, $3, $4, $5)",
            client_id,
            data_key_id,
            purpose,
            wrapped,
            now,
        )
        return _DataKey(data_key_id, key, time.monotonic() + self._lifetime)

    async def _data_key(self, connection: Connection, client_id: UUID, data_key_id: UUID) -> _DataKey:
        at = (client_id, data_key_id)
        async with self._fetching.setdefault(at, asyncio.Lock()):
            known = self._unwrapped.get(at)
            if known is None or known.expires_at < time.monotonic() or known.uses_left <= 0:
                self._unwrapped.pop(at, None)
                known = await self._fetch(connection, client_id, data_key_id)
                self._unwrapped[at] = known
                _bound(self._unwrapped)
        self._fetching.pop(at, None)
        known.uses_left -= 1
        return known

    async def _fetch(self, connection: Connection, client_id: UUID, data_key_id: UUID) -> _DataKey:
        wrapped = await connection.fetchval(
            "SELECT wrapped FROM guard.data_key WHERE client_id = $1 AND data_key_id = $2", client_id, data_key_id
        )
        if wrapped is None:
            raise NotOurs
        expires_at = time.monotonic() + self._lifetime  # counted from before the call: slow answers do not live longer
        return _DataKey(data_key_id, await self._vault.unwrap(self._service, client_id, wrapped), expires_at)


def _bound(cache: OrderedDict[Any, Any]) -> None:
    while len(cache) > _CACHED:
        cache.popitem(last=False)
