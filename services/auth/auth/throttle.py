"""How often somebody may guess (05.4): counted in the database before a guess is looked at, given back if right.

A parallel guess waits for the count of the one before; a killed process forgets nothing. Keys are HMACs: no row names
an account or an address.
"""

import hmac
import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth.store import throttle as store
from guard import errors
from guard.database import Connection

_IPV4 = 4  # bytes
_ADDRESSES = 4  # of one network may use up their guesses before all of it is shut


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts in a window that begins with the first. `is_shared`: one success forgives only itself."""

    name: str
    attempts: int
    window: timedelta
    is_shared: bool = False


# Passwords and codes are counted apart, or an outsider without the password could lock the owner's second factor.
PASSWORD_HERE = Limit("password-here", 5, timedelta(minutes=15))
# Far below the 100 that SP 800-63B-4 (3.2.2) allows in a row; anybody's success and the owner's known device end it.
PASSWORD_ANYWHERE = Limit("password-anywhere", 20, timedelta(hours=24))
# After those twenty an owner without a known device still gets in from a network where nobody guesses: one attempt of
# a network in 15 minutes, forty of an account. So all guesses at one account are 60 a day, from anywhere.
PASSWORD_SLOW_HERE = Limit("password-slow-here", 1, timedelta(minutes=15))
PASSWORD_SLOW = Limit("password-slow", 40, timedelta(hours=24))
PASSWORD_KNOWN_DEVICE = Limit("password-known-device", 10, timedelta(minutes=15))
# Whoever holds a session and guesses at its password: to change it, or to remove the second factor.
PASSWORD_IN_SESSION = Limit("password-in-session", 10, timedelta(minutes=15))
# Three valid codes of a million: ten guesses an hour need four years for even odds.
CODE = Limit("code", 10, timedelta(hours=1))
CODE_IN_SESSION = Limit("code-in-session", 10, timedelta(hours=1))
CODE_KNOWN_DEVICE = Limit("code-known-device", 10, timedelta(hours=1))


def per_address(attempts: int) -> Limit:
    """All passwords of one address; a house may have many users behind one."""
    return Limit("password-address", attempts, timedelta(minutes=15), is_shared=True)


def per_network(attempts: int) -> Limit:
    """All passwords of one network: who holds a /48 has 65 536 addresses of a /64, and each guess costs us a hash."""
    return Limit("password-network", _ADDRESSES * attempts, timedelta(minutes=15), is_shared=True)


@dataclass(frozen=True, slots=True)
class Gate:
    """One counter: a limit, and the row that counts for it. Once it is used up, those `instead` decide."""

    limit: Limit
    key: bytes
    instead: tuple["Gate", ...] = ()


class Throttle:
    """Builds gates and passes through them. Gates are locked in the order given: from the narrow to the shared."""

    def __init__(self, key: bytes, address_attempts: int) -> None:
        self._key = key
        self._address = per_address(address_attempts)
        self._network = per_network(address_attempts)

    def password(self, email_index: bytes, ip: str, device_id: UUID | None) -> list[Gate]:
        """What a password of this account counts against. A known device counts for itself alone."""
        if device_id is not None:
            return [self._gate(PASSWORD_KNOWN_DEVICE, device_id.bytes)]
        network, wide = _network(ip), _wide(ip)
        return [
            self._gate(PASSWORD_HERE, email_index, network),
            self.account(email_index, self._gate(PASSWORD_SLOW_HERE, email_index, wide)),
            self._gate(self._address, network),
            self._gate(self._network, wide),
        ]

    def account(self, email_index: bytes, *slow: Gate) -> Gate:
        """The count of an account as a whole, which its owner's success ends; then `slow` counts, and the day."""
        instead = (*slow, self._gate(PASSWORD_SLOW, email_index))
        return Gate(PASSWORD_ANYWHERE, self._gate(PASSWORD_ANYWHERE, email_index).key, instead)

    def in_session(self, session_id: UUID) -> list[Gate]:
        """What a password that is asked for again counts against: the session alone, so a thief locks nobody out."""
        return [self._gate(PASSWORD_IN_SESSION, session_id.bytes)]

    def first_code(self, session_id: UUID) -> list[Gate]:
        """What the first code of an offered factor counts against: the session alone, as `in_session`."""
        return [self._gate(CODE_IN_SESSION, session_id.bytes)]

    def code(self, user_id: UUID, device_id: UUID | None) -> list[Gate]:
        """What a code of this user counts against."""
        if device_id is not None:
            return [self._gate(CODE_KNOWN_DEVICE, device_id.bytes)]
        return [self._gate(CODE, user_id.bytes)]

    def _gate(self, limit: Limit, *parts: bytes) -> Gate:
        return Gate(limit, hmac.digest(self._key, b"|".join((limit.name.encode(), *parts)), "sha256"))


async def reserve(connection: Connection, gates: Sequence[Gate], now: datetime) -> bool:
    """Counts an attempt at every gate; whether it was the last that one of them allows.

    Raises TooMany, and then the caller's transaction must roll back: what was refused is not counted.
    """
    is_last = False
    for gate in gates:
        attempts, until = await store.count(connection, gate.key, now, now + gate.limit.window)
        if attempts <= gate.limit.attempts:
            is_last = is_last or attempts == gate.limit.attempts
        elif gate.instead:
            is_last = await reserve(connection, gate.instead, now) or is_last
        else:
            raise _shut(until, now)
    return is_last


async def look(connection: Connection, gates: Sequence[Gate], now: datetime) -> None:
    """Raises TooMany at a gate that is shut, and counts nothing: spares a hash, decides nothing."""
    for gate in gates:
        attempts, until = await store.standing(connection, gate.key)
        if attempts >= gate.limit.attempts and until > now:
            if not gate.instead:
                raise _shut(until, now)
            await look(connection, gate.instead, now)


async def give_back(connection: Connection, gates: Sequence[Gate]) -> None:
    """The attempt was right: a counter of one account starts anew, a shared one forgets just this attempt."""
    for gate in gates:
        if gate.limit.is_shared:
            await store.uncount(connection, gate.key)
        else:
            await store.forget(connection, gate.key)
        await give_back(connection, gate.instead)


def _shut(until: datetime, now: datetime) -> errors.TooMany:
    return errors.TooMany(retry_after=max(1, math.ceil((until - now).total_seconds())))


def _network(ip: str) -> bytes:
    if not ip:
        return b""  # nobody told: all such are one
    # A household holds a whole /64 of IPv6 addresses, and may use a new one for each guess.
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return mapped.packed if mapped else address.packed[:8]
    return address.packed


def _wide(ip: str) -> bytes:
    # A /24, and of IPv6 a /48: what one customer of a hoster has, and what makes forty networks cost something.
    network = _network(ip)
    return network[:3] if len(network) == _IPV4 else network[:6]
