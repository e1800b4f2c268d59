"""Field encryption through `guard` against bare JSON, nonce and AES-256-GCM of the same fields."""

import os
import time
from collections.abc import Callable
from typing import Any

import orjson
from asyncpg.pgproto import pgproto
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.uuid7 import uuid7
from guard.keys import SubjectKey
from performance.figure import Figure
from performance.load import middle

FIELDS: dict[str, Any] = {
    "name": "Aino Lindström", "email": "aino.lindstrom@example.com", "phone": "+43 660 1234567", "language": "fi",
    "notes": "Arrives late, allergic to nuts, likes a room to the river. " * 4, "external_ref": "PMS-004711",
}  # fmt: skip
CALLS = 20_000
ROUNDS = 9


def measure() -> Figure:
    """Sealing and opening of one guest's fields; the ratio of both together."""
    # As in a service: a new row's id is of uuid7, and that of a row which is read is asyncpg's, another one each time.
    row, raw = uuid7(), os.urandom(32)
    read = row.bytes
    key, cipher = SubjectKey(uuid7(), uuid7(), uuid7(), raw), AESGCM(raw)
    sealed, bare_sealed = key.seal(FIELDS, ("guest", row)), _bare_seal(cipher)

    def guarded() -> None:
        key.seal(FIELDS, ("guest", row))
        key.open(sealed, ("guest", pgproto.UUID(read)))

    def bare() -> None:
        _bare_seal(cipher)
        orjson.loads(cipher.decrypt(bare_sealed[:12], bare_sealed[12:], b""))

    _rate(guarded), _rate(bare)
    pairs = [(_rate(guarded), _rate(bare)) for _ in range(ROUNDS)]
    return Figure(
        "field encryption through guard against bare AES-256-GCM",
        middle([ours / theirs for ours, theirs in pairs]), 0.5,
        f"median of {ROUNDS} rounds, one guest of {len(orjson.dumps(FIELDS))} bytes of JSON sealed and opened:"
        f" guard {middle([ours for ours, _ in pairs]):.0f}/s, bare {middle([theirs for _, theirs in pairs]):.0f}/s",
        series={"guard": [ours for ours, _ in pairs], "bare": [theirs for _, theirs in pairs]},
    )  # fmt: skip


def _bare_seal(cipher: AESGCM) -> bytes:
    nonce = os.urandom(12)
    return nonce + cipher.encrypt(nonce, orjson.dumps(FIELDS), b"")


def _rate(work: Callable[[], None]) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        work()
    return CALLS / (time.process_time() - began)
