"""OpenBao (the Vault API) as one service uses it: signs in by certificate, keys and secrets on demand (02.3, 02.4).

What cannot be had is Unavailable: there is no plaintext fallback, and recovery needs no operator (invariant 14). What
the session holds is renewed by `guard.renewal`. No secret of it is ever logged or written down.
"""

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from guard import errors, telemetry
from guard.database import Credentials, Pool
from guard.renewal import Renewal
from guard.settings import Settings
from guard.tls import Certificate

_log = logging.getLogger("guard.vault")
_WAIT = 2.0  # seconds for an answer
_WAIT_ISSUED = 10.0  # seconds for a certificate or a database user: never on the path of a warm request
_CONNECT = 1.0  # seconds
_PATIENCE = 1.0  # seconds: a younger token that is refused is not a dead one; also, between two lines about one fault


class Refused(Exception):
    """OpenBao understood and said no (400, 404): a key that is not there, a text it did not make. Not an outage."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A login; `made_at` and `ends_at` are monotonic seconds."""

    value: str
    made_at: float
    ends_at: float


class Vault:
    """One service's session at OpenBao. Every method raises Unavailable when OpenBao is away, sealed or refuses us."""

    def __init__(self, settings: Settings, certificate: Certificate) -> None:
        self._service = settings.service
        self._address = f"{settings.vault}/v1/"
        self._tls = certificate.client("openbao")
        self._http = self._client()
        self._retired: httpx2.AsyncClient | None = None
        self.token = Token("", 0.0, 0.0)
        self._users: dict[str, Credentials] = {}
        self._signing_in = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._said: dict[tuple[str, object], float] = {}
        self.renewal = Renewal(self, settings.service, certificate)

    async def read(self, path: str) -> dict[str, Any]:
        """The `data` at `path`. Raises Refused when there is none."""
        return _data(await self._ask("GET", path))

    async def write(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The `data` that a write to `path` answers. Raises Refused when the values are not accepted."""
        return _data(await self._ask("POST", path, payload))

    async def secret(self, name: str) -> dict[str, Any]:
        """The newest version of this service's secret `kv/<service>/<name>`. Raises Unavailable while there is none."""
        try:
            data: dict[str, Any] = (await self.read(f"kv/data/{self._service}/{name}"))["data"]
        except Refused as missing:
            raise errors.Unavailable from missing
        return data

    async def new_data_key(self, service: str, client_id: UUID) -> tuple[bytes, str]:
        """A new 256-bit key, and the same wrapped by the client's key; makes the client's key on first need."""
        # Asked for each time: making a key that is there changes nothing, and asking for a data key of one that is not
        # would put a failure into the client's log. Its type is the engine's own (aes256-gcm96): the policy says so.
        await self.write(f"transit/{service}/keys/{client_id}", {"auto_rotate_period": "8760h"})
        answer = await self.write(f"transit/{service}/datakey/plaintext/{client_id}", {"bits": 256})
        return base64.b64decode(answer["plaintext"]), answer["ciphertext"]

    async def unwrap(self, service: str, client_id: UUID, wrapped: str) -> bytes:
        """The key in `wrapped`. Raises Refused when this client's key did not wrap it, or is destroyed."""
        answer = await self.write(f"transit/{service}/decrypt/{client_id}", {"ciphertext": wrapped})
        return base64.b64decode(answer["plaintext"])

    async def rewrap(self, service: str, client_id: UUID, wrapped: str) -> str:
        """The same key wrapped by the newest version of the client's key, without showing it. Raises Refused."""
        answer = await self.write(f"transit/{service}/rewrap/{client_id}", {"ciphertext": wrapped})
        return str(answer["ciphertext"])

    async def key_version(self, service: str, client_id: UUID) -> int:
        """The newest version of the client's key, from 1. Raises Refused when there is no key."""
        return int((await self.read(f"transit/{service}/keys/{client_id}"))["latest_version"])

    async def sign(self, key: str, message: bytes, version: int | None = None) -> bytes:
        """The Ed25519 signature (64 bytes) by the service's transit key `key`, its newest version unless named."""
        payload: dict[str, Any] = {"input": base64.b64encode(message).decode()}
        if version is not None:
            payload["key_version"] = version
        answer = await self.write(f"transit/{self._service}/sign/{key}", payload)
        return base64.b64decode(answer["signature"].rsplit(":", 1)[-1])

    async def public_keys(self, key: str) -> dict[int, tuple[bytes, datetime]]:
        """The public halves of the transit key `key`: version -> (32 bytes, when it was made). Raises Refused."""
        answer = await self.read(f"transit/{self._service}/keys/{key}")
        return {
            int(version): (base64.b64decode(entry["public_key"]), datetime.fromisoformat(entry["creation_time"]))
            for version, entry in answer["keys"].items()
        }

    async def database_user(self, role: str) -> Credentials:
        """The current user of a database role; asks for one on first need, then it is renewed with the rest."""
        async with self._asking:
            user = self._users.get(role)
            if user is None or user.ends_at < time.monotonic():
                user = self._users[role] = await self._new_user(role)
            return user

    def forget_user(self, role: str, user: Credentials) -> None:
        """Says that the database refused `user`; one that has replaced it meanwhile stays."""
        if self._users.get(role) is user:
            del self._users[role]

    def on_rotation(self, pool: Pool) -> None:
        """Has `pool` replace its connections after each change of users."""
        self.renewal.pools.append(pool)

    def users(self) -> list[Credentials]:
        """The database users that are held."""
        return list(self._users.values())

    async def renew_users(self, since: float) -> None:
        """Replaces the database users that are older than `since` (monotonic seconds)."""
        for role, user in list(self._users.items()):
            if user.made_at < since:
                self._users[role] = await self._new_user(role)

    async def issue_certificate(self, names: dict[str, str]) -> str:
        """A new key, certificate and issuer of this service for the same `names`, as one PEM."""
        payload = {"common_name": self._service, "exclude_cn_from_sans": True, "private_key_format": "pkcs8", **names}
        answer = _data(await self._ask("POST", f"pki/issue/{self._service}", payload, wait=_WAIT_ISSUED))
        return "".join(f"{answer[part].strip()}\n" for part in ("private_key", "certificate", "issuing_ca"))

    async def sign_in(self, instead_of: Token) -> None:
        """A new token in place of `instead_of`, unless somebody was faster."""
        async with self._signing_in:
            if self.token is not instead_of:
                return
            # A connection of its own: a kept one would show the certificate of the day it was opened.
            began = time.monotonic()
            try:
                async with self._client() as fresh:
                    answer = await fresh.post("auth/cert/login", json={"name": self._service})
            except (httpx2.HTTPError, OSError) as away:
                raise self._unavailable("auth/cert/login", type(away).__name__) from away
            if answer.is_error:
                raise self._unavailable("auth/cert/login", answer.status_code)
            auth = answer.json()["auth"]
            self.token = Token(auth["client_token"], began, began + auth["lease_duration"])

    async def reopen(self) -> None:
        """Has later calls connect with the present certificate; the connections of before are closed a turn later."""
        retired, self._retired, self._http = self._retired, self._http, self._client()
        if retired is not None:
            await retired.aclose()

    async def close(self) -> None:
        """Gives the token back, which ends its database users at once, and closes the connections."""
        try:
            if time.monotonic() < self.token.ends_at:
                await self._send("POST", "auth/token/revoke-self", None)
        except errors.Unavailable:
            _log.info("the token was not given back and will end by itself")
        for http in (self._http, self._retired):
            if http is not None:
                await http.aclose()

    async def _new_user(self, role: str) -> Credentials:
        began = time.monotonic()
        answer = await self._ask("GET", f"database/creds/{role}", wait=_WAIT_ISSUED)
        return Credentials(
            answer["data"]["username"], answer["data"]["password"], began, began + answer["lease_duration"]
        )

    async def _ask(
        self, method: str, path: str, payload: dict[str, Any] | None = None, *, wait: float = _WAIT
    ) -> dict[str, Any]:
        token = self.token
        if time.monotonic() > token.ends_at:
            await self.sign_in(token)
            token = self.token
        answer = await self._send(method, path, payload, wait=wait)
        if answer.status_code == httpx2.codes.FORBIDDEN and time.monotonic() - token.made_at > _PATIENCE:
            # The token may have died before its time; a policy that refuses will refuse the next one too.
            await self.sign_in(token)
            answer = await self._send(method, path, payload, wait=wait)
            if answer.is_success:
                self.renewal.hurry()  # the database users died with the token that made them
        if answer.status_code in (httpx2.codes.BAD_REQUEST, httpx2.codes.NOT_FOUND):
            raise Refused(_operation(path))
        if answer.is_error:
            raise self._unavailable(path, answer.status_code)
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body

    async def _send(
        self, method: str, path: str, payload: dict[str, Any] | None, *, wait: float = _WAIT
    ) -> httpx2.Response:
        try:
            return await self._http.request(
                method, path, json=payload, headers=self._headers(), timeout=httpx2.Timeout(wait, connect=_CONNECT)
            )
        except (httpx2.HTTPError, OSError) as away:
            raise self._unavailable(path, type(away).__name__) from away

    def _headers(self) -> dict[str, str]:
        # The request's id stands in clear in OpenBao's audit log: it joins an unwrapped key to the access behind it.
        request_id = telemetry.request_id()
        return {"X-Vault-Token": self.token.value} | ({"X-Request-Id": request_id} if request_id else {})

    def _client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=20, keepalive_expiry=60)
        timeout = httpx2.Timeout(_WAIT, connect=_CONNECT)
        return httpx2.AsyncClient(
            base_url=self._address, verify=self._tls, trust_env=False, limits=limits, timeout=timeout
        )

    def _unavailable(self, path: str, fault: object) -> errors.Unavailable:
        now, told = time.monotonic(), (_operation(path), fault)
        if now - self._said.get(told, -_PATIENCE) >= _PATIENCE:  # an outage under load is one line a second
            self._said[told] = now
            _log.warning("OpenBao does not help", extra={"operation": told[0], "cause": str(fault)})
        return errors.Unavailable()


@asynccontextmanager
async def connect(settings: Settings, certificate: Certificate) -> AsyncIterator[Vault]:
    """A session that keeps itself alive for the length of the block; OpenBao may be away when it begins."""
    vault = Vault(settings, certificate)
    tasks = [
        asyncio.create_task(vault.renewal.run(), name="vault-renewal"),
        asyncio.create_task(certificate.watch(), name="certificate-watch"),
    ]
    try:
        yield vault
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await vault.close()


def _data(answer: dict[str, Any]) -> dict[str, Any]:
    return answer.get("data") or {}


def _operation(path: str) -> str:
    # The path without its last part, which may be a client's id.
    return path.rsplit("/", 1)[0]
