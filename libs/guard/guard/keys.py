"""Field encryption and blind indexes: client keys in OpenBao, data keys cached for a minute, a key per person (02.1).

No key is ever cached, looked up or used without its client beside it, and none is written anywhere unwrapped.
"""

import asyncio
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
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


class _Place:
    """Everything that says where a blob belongs: moved to another client, table or row it does not open."""

    __slots__ = ("_client", "_data_key")

    def __init__(self, client_id: UUID, data_key_id: UUID) -> None:
        self._client = f"1|{client_id}|"
        self._data_key = f"|{data_key_id}"

    def about(self, table: str, row_id: UUID) -> bytes:
        """The associated data `version|client|table|row|data key`, as ASCII."""
        return f"{self._client}{table}|{row_id!s}{self._data_key}".encode()


def _encrypt(cipher: AESGCM, plain: bytes, about: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + cipher.encrypt(nonce, plain, about)


def _decrypt(cipher: AESGCM, blob: bytes, about: bytes) -> bytes:
    if blob[:1] != _VERSION:
        raise NotOurs
    try:
        return cipher.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], about)
    except (InvalidTag, ValueError) as refused:
        raise NotOurs from refused


class SubjectKey:
    """The AES-256-GCM key of one person (or of one call without one) of one client."""

    __slots__ = ("_cipher", "_place", "client_id", "data_key_id", "key", "subject_id")

    def __init__(self, client_id: UUID, subject_id: UUID, data_key_id: UUID, key: bytes) -> None:
        """`key` is 32 bytes."""
        self.client_id = client_id
        self.subject_id = subject_id
        self.data_key_id = data_key_id
        self.key = key
        self._cipher = AESGCM(key)
        self._place = _Place(client_id, data_key_id)

    def seal(self, fields: Mapping[str, Any], about: tuple[str, UUID]) -> bytes:
        """`fields` as JSON, encrypted for the row `about` = (table, row id)."""
        return _encrypt(self._cipher, orjson.dumps(fields), self._place.about(*about))

    def open(self, blob: bytes, about: tuple[str, UUID]) -> dict[str, Any]:
        """What `seal` was given. Raises NotOurs for any other row, table, client or key."""
        fields: dict[str, Any] = orjson.loads(_decrypt(self._cipher, blob, self._place.about(*about)))
        return fields


class _DataKey:
    """An unwrapped data key of one client; wraps and unwraps its subjects' keys, derives its blind indexes."""

    __slots__ = ("_cipher", "_client_id", "_key", "_place", "data_key_id", "expires_at", "uses_left")

    def __init__(self, client_id: UUID, data_key_id: UUID, key: bytes, expires_at: float) -> None:
        self.data_key_id = data_key_id
        self.expires_at = expires_at  # monotonic
        self.uses_left = _USES
        self._client_id = client_id
        self._key = key
        self._cipher = AESGCM(key)
        self._place = _Place(client_id, data_key_id)

    def wrap(self, subject_id: UUID, key: bytes) -> bytes:
        return _encrypt(self._cipher, key, self._place.about("subject_key", subject_id))

    def unwrap(self, subject_id: UUID, wrapped: bytes) -> bytes:
        return _decrypt(self._cipher, wrapped, self._place.about("subject_key", subject_id))

    def blind(self, field: str, value: str) -> bytes:
        key = HKDF(SHA256(), 32, salt=self._client_id.bytes, info=b"blind-index|" + field.encode()).derive(self._key)
        return hmac.digest(key, value.encode(), "sha256")


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
        return SubjectKey(client_id, subject_id, data_key_id, data_key.unwrap(subject_id, wrapped))

    async def create(self, connection: Connection, client_id: UUID, subject_id: UUID, now: datetime) -> SubjectKey:
        """A new key for a new subject, stored wrapped in the caller's transaction."""
        data_key = await self._newest_data_key(connection, client_id, "data", now)
        key = os.urandom(32)
        await connection.execute(
            "INSERT INTO guard.subject_key (client_id, subject_id, data_key_id, wrapped) VALUES ($1, $2, $3, $4)",
            client_id,
            subject_id,
            data_key.data_key_id,
            data_key.wrap(subject_id, key),
        )
        return SubjectKey(client_id, subject_id, data_key.data_key_id, key)

    async def blind_index(
        self, connection: Connection, client_id: UUID, field: str, value: str, now: datetime
    ) -> bytes:
        """32 bytes, HMAC-SHA256 under a key of this client and `field`; `value` is normalised by the caller."""
        data_key = await self._newest_data_key(connection, client_id, "index", now)
        return data_key.blind(field, value)

    async def _newest_data_key(self, connection: Connection, client_id: UUID, purpose: str, now: datetime) -> _DataKey:
        known = self._newest.get((client_id, purpose))
        if known is None or known[1] < time.monotonic():
            row = await connection.fetchrow(
                "SELECT data_key_id, created_at FROM guard.data_key WHERE client_id = $1 AND purpose = $2"
                " ORDER BY created_at DESC LIMIT 1",
                client_id,
                purpose,
            )
            if row is None:
                return await self._new_data_key(connection, client_id, purpose, now)
            known = (row["data_key_id"], time.monotonic() + self._lifetime)
            if row["created_at"] != now:  # else it is this transaction's own, which may still roll back
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
        return _DataKey(client_id, data_key_id, key, time.monotonic() + self._lifetime)

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
        key = await self._vault.unwrap(self._service, client_id, wrapped)
        return _DataKey(client_id, data_key_id, key, expires_at)


def _bound(cache: OrderedDict[Any, Any]) -> None:
    while len(cache) > _CACHED:
        cache.popitem(last=False)
