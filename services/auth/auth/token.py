"""Access tokens: EdDSA JWTs (RFC 9068, `typ: at+jwt`) signed inside OpenBao, and the key set that verifies them.

The private key never leaves OpenBao. A version is published before it signs, and until its last token ends.
"""

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from events.uuid7 import uuid7
from guard import errors
from guard.clock import Clock

KEY = "token-signing"
LONGEST = 600  # seconds (API.md)
_AFTERLIFE = timedelta(seconds=LONGEST + 60)  # how long a key is published after its last signature
_REFRESH = 3.0  # seconds between two looks at the key's versions
_STALE = 60.0  # seconds a known key set is still answered with while OpenBao is away

_log = logging.getLogger("auth.token")


class KeyHolder(Protocol):
    """What signing needs of `guard.vault.Vault`."""

    async def sign(self, key: str, message: bytes, version: int) -> bytes: ...

    async def public_keys(self, key: str) -> dict[int, tuple[bytes, datetime]]: ...


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the signing key, as others see it."""

    number: int
    public: bytes
    made_at: datetime

    @property
    def kid(self) -> str:
        """The version and a fingerprint: a key that was made anew under an old number is another key."""
        return f"{self.number}-{hashlib.sha256(self.public).hexdigest()[:16]}"

    @property
    def jwk(self) -> dict[str, str]:
        """RFC 8037."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.kid,
            "x": _base64url(self.public),
        }


def signing(versions: list[Version], now: datetime, grace: timedelta) -> Version:
    """The newest version that every verifier has had time to fetch; at the beginning, the first there is."""
    old_enough = [version for version in versions if version.made_at + grace <= now]
    return max(old_enough, key=lambda v: v.number) if old_enough else min(versions, key=lambda v: v.number)


def published(versions: list[Version], now: datetime, grace: timedelta) -> list[Version]:
    """The versions whose tokens may be alive, and those that will sign next; newest first."""
    ordered = sorted(versions, key=lambda version: version.number)
    kept = [
        version
        for version, successor in zip(ordered, [*ordered[1:], None], strict=True)
        if successor is None or successor.made_at + grace + _AFTERLIFE > now
    ]
    return kept[::-1]


class Signer:
    """Makes tokens and answers with the key set; one for each process."""

    def __init__(self, holder: KeyHolder, clock: Clock, *, issuer: str, audience: str, grace: float) -> None:
        self._holder = holder
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._grace = timedelta(seconds=grace)
        self._versions: list[Version] = []
        self._seen_at = float("-inf")
        self._looking = asyncio.Lock()

    async def mint(self, client_id: UUID, claims: Mapping[str, Any], seconds: int) -> str:
        """A token for `client_id` that says `claims`. Raises Unavailable while OpenBao is away."""
        now = self._clock.now()
        version = signing(await self._known(), now, self._grace)
        issued_at = int(now.timestamp())
        payload = {
            **claims,
            "client_id": str(client_id),
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + min(seconds, LONGEST),
            "jti": str(uuid7(now)),
        }
        header = {"alg": "EdDSA", "kid": version.kid, "typ": "at+jwt"}
        message = f"{_json(header)}.{_json(payload)}".encode("ascii")
        signature = await self._holder.sign(KEY, message, version.number)
        return f"{message.decode('ascii')}.{_base64url(signature)}"

    async def key_set(self) -> dict[str, list[dict[str, str]]]:
        """RFC 7517. Raises Unavailable when OpenBao has been away for a minute."""
        return {"keys": [v.jwk for v in published(await self._known(), self._clock.now(), self._grace)]}

    async def _known(self) -> list[Version]:
        if time.monotonic() - self._seen_at > _REFRESH:
            async with self._looking:
                if time.monotonic() - self._seen_at > _REFRESH:
                    await self._look()
        return self._versions

    async def _look(self) -> None:
        try:
            keys = await self._holder.public_keys(KEY)
        except errors.Unavailable:
            if time.monotonic() - self._seen_at > _STALE:
                raise
            _log.warning("key versions not read")
            return
        self._versions = [Version(number, public, made_at) for number, (public, made_at) in keys.items()]
        self._seen_at = time.monotonic()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _json(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())
