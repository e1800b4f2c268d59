"""UUIDv7 (RFC 9562 §5.7): ids that sort by the time they were made. It must never be a source of secrets."""

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7(at: datetime | None = None) -> UUID:
    """A new id made at `at` (aware; default: the machine's clock).

    48 bits of milliseconds, 12 bits of the fraction below (RFC 9562 §6.2, method 3), 62 random bits.
    Raises ValueError for a naive time or one before 1970.
    """
    microseconds = time.time_ns() // 1000 if at is None else _microseconds(at)
    milliseconds, rest = divmod(microseconds, 1000)
    fraction = rest * 4096 // 1000
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | random)


def derived(at: datetime, seed: bytes) -> UUID:
    """The id of something that happened at `at` and is named by `seed`: the same again for the same two.

    48 bits of milliseconds, 74 bits of SHA-256(seed): what is read twice gets one id.
    """
    digest = int.from_bytes(hashlib.sha256(seed).digest(), "big")
    fraction, rest = digest >> 244, digest >> 182 & ((1 << 62) - 1)
    return UUID(int=_microseconds(at) // 1000 << 80 | _VERSION | fraction << 64 | _VARIANT | rest)


def lowest(at: datetime) -> UUID:
    """The smallest UUIDv7 of `at`'s millisecond: the bound that turns a time range into an id range."""
    return UUID(int=_microseconds(at) // 1000 << 80 | _VERSION | _VARIANT)


def time_of(value: UUID) -> datetime:
    """When `value` was made, UTC, to the millisecond. Raises ValueError when it is no UUIDv7."""
    if value.version != 7:  # noqa: PLR2004 - the version in the function's name
        message = "not a UUIDv7"
        raise ValueError(message)
    return _EPOCH + timedelta(milliseconds=value.int >> 80)


def _microseconds(at: datetime) -> int:
    if at.tzinfo is None or at < _EPOCH:
        message = "an aware time after 1970 is needed"
        raise ValueError(message)
    return (at - _EPOCH) // timedelta(microseconds=1)
