"""Access tokens as others verify them: EdDSA by a key of `auth`, `at+jwt`, our issuer and audience (RFC 8725, 9068).

The algorithm is fixed here; no header of the token may choose it, bring a key, or name where one is.
"""

import asyncio
import base64
import binascii
import json
import logging
import time
import warnings
from typing import Any

import httpx2
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, OKPKey

from guard import errors
from guard.clock import Clock

_log = logging.getLogger("guard.access_token")
_REFETCH_AFTER = 1.0  # seconds between two fetches for an unknown kid, so that forged ones cannot flood `auth`
_STALE_AFTER = 300.0  # seconds; a key withdrawn from the set stops working here within this time
_HEADER_FIELDS = {"alg", "typ", "kid"}  # exactly these: no jwk, jku, x5u, x5c, crit, b64
_SKEW = 1  # seconds between two machines' clocks

# RFC 9864 renamed EdDSA to Ed25519; Envoy 1.40 knows only the old name, so joserfc's advice cannot be taken yet.
warnings.filterwarnings("ignore", message=".*EdDSA.*", category=SecurityWarning)


class TokenRefused(Exception):
    """The token is not one that `auth` made for us, or not any more."""


class TokenVerifier:
    """Verifies with the key set of `auth`, fetched over mTLS and kept; one for each process."""

    def __init__(self, http: httpx2.AsyncClient, auth: str, *, issuer: str, audience: str, clock: Clock) -> None:
        self._http = http
        self._address = f"{auth}/.well-known/jwks.json"
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: dict[str, OKPKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> dict[str, Any]:
        """The claims. Raises TokenRefused, or Unavailable when the keys cannot be had."""
        kid = _kid(token)
        key = await self._key(kid)
        try:
            signed = jws.deserialize_compact(token.encode("ascii"), key, algorithms=["EdDSA"])
            claims = json.loads(signed.payload)
        except (JoseError, ValueError) as refused:
            raise TokenRefused from refused
        now = self._clock.now().timestamp()
        if not isinstance(claims, dict) or claims.get("iss") != self._issuer or claims.get("aud") != self._audience:
            raise TokenRefused
        issued_at, not_before, expires_at = (_seconds(claims.get(name)) for name in ("iat", "nbf", "exp"))
        if not (issued_at <= now + _SKEW and not_before <= now + _SKEW and now < expires_at <= issued_at + 600):
            raise TokenRefused
        return claims

    async def _key(self, kid: str) -> OKPKey:
        known = self._keys.get(kid)
        is_stale = time.monotonic() - self._fetched_at > _STALE_AFTER
        # Whoever holds a known key does not queue behind a fetch; forged kids and a hanging `auth` cost one a second.
        if known is None or (is_stale and not self._fetching.locked()):
            async with self._fetching:
                if time.monotonic() - self._tried_at > _REFETCH_AFTER:
                    await self._fetch()
            known = self._keys.get(kid)
        if known is None:
            raise TokenRefused if self._keys else errors.Unavailable
        return known

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            answer = await self._http.get(self._address, timeout=2.0)
            answer.raise_for_status()
            key_set = KeySet.import_key_set(answer.json())
        except (httpx2.HTTPError, ValueError, TypeError, KeyError, JoseError) as failed:
            _log.warning("key set of auth not fetched", extra={"error": type(failed).__name__})
            return
        self._keys = {key.kid: key for key in key_set.keys if isinstance(key, OKPKey) and key.kid}
        self._fetched_at = time.monotonic()


def _seconds(value: object) -> int:
    if type(value) is not int:  # a bool is an int to isinstance, and a float could be NaN
        raise TokenRefused
    return value


def _kid(token: str) -> str:
    """The key id, from a header that says exactly what ours says."""
    try:
        first = token.split(".", 1)[0]
        header = json.loads(base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as refused:
        raise TokenRefused from refused
    if not isinstance(header, dict) or set(header) != _HEADER_FIELDS:
        raise TokenRefused
    if header["alg"] != "EdDSA" or header["typ"] != "at+jwt" or not isinstance(header["kid"], str):
        raise TokenRefused
    return header["kid"]
