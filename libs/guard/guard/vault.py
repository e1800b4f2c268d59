"""OpenBao (the Vault API) as one service uses it: signs in by certificate, renews what it holds in time (02.3, 02.4).

Certificate, token and database users turn together, long before the shortest of them ends. What cannot be had is
Unavailable: there is no plaintext fallback, and recovery needs no operator (invariants 9 and 14).
"""

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2

from guard import errors, telemetry
from guard.database import Credentials, Pool
from guard.settings import Settings
from guard.tls import Certificate

_log = logging.getLogger("guard.vault")
_TIMEOUT = httpx2.Timeout(3.0, connect=1.0)
_RENEW_AT = 1 / 3  # of the shortest life: two more tries fit before it ends
_RETRY = 1.0  # seconds between two attempts while OpenBao is away


class Vault:
    """One service's session at OpenBao. Secrets stay in memory and are never logged."""

    def __init__(self, settings: Settings, certificate: Certificate) -> None:
        self._service = settings.service
        self._certificate = certificate
        self._http = httpx2.AsyncClient(
            base_url=f"{settings.vault}/v1/",
            verify=certificate.client(),
            timeout=_TIMEOUT,
            trust_env=False,
            limits=httpx2.Limits(max_connections=20, keepalive_expiry=60),
        )
        self._token = ""
        self._token_ends = 0.0
        self._users: dict[str, Credentials] = {}
        self._pools: list[Pool] = []
        self._signing_in = asyncio.Lock()
        self._asking = asyncio.Lock()

    async def read(self, path: str) -> dict[str, Any]:
        """The `data` at `path`. Raises Unavailable, also when the policy refuses."""
        return await self._call("GET", path, None)

    async def write(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The `data` that a write to `path` answers. Raises Unavailable, also when the policy refuses."""
        return await self._call("POST", path, payload)

    async def secret(self, name: str) -> dict[str, Any]:
        """The newest version of this service's secret `kv/<service>/<name>`."""
        data: dict[str, Any] = (await self.read(f"kv/data/{self._service}/{name}"))["data"]
        return data

    async def new_data_key(self, service: str, client_id: UUID) -> tuple[bytes, str]:
        """A new 256-bit key, and the same wrapped by the client's key; makes the client's key on first need."""
        path = f"transit/{service}/datakey/plaintext/{client_id}"
        try:
            answer = await self._call("POST", path, {"bits": 256}, may_miss=True)
        except LookupError:
            await self.write(
                f"transit/{service}/keys/{client_id}", {"type": "aes256-gcm96", "auto_rotate_period": "8760h"}
            )
            answer = await self.write(path, {"bits": 256})
        return base64.b64decode(answer["plaintext"]), answer["ciphertext"]

    async def unwrap(self, service: str, client_id: UUID, wrapped: str) -> bytes:
        """The key in `wrapped`, if this client's key in OpenBao wrapped it."""
        answer = await self.write(f"transit/{service}/decrypt/{client_id}", {"ciphertext": wrapped})
        return base64.b64decode(answer["plaintext"])

    async def sign(self, key: str, message: bytes, version: int) -> bytes:
        """The Ed25519 signature (64 bytes) of `message` by one version of the service's transit key `key`."""
        answer = await self.write(
            f"transit/{self._service}/sign/{key}",
            {"input": base64.b64encode(message).decode(), "key_version": version},
        )
        return base64.b64decode(answer["signature"].rsplit(":", 1)[-1])

    async def public_keys(self, key: str) -> dict[int, tuple[bytes, datetime]]:
        """The public halves of the transit key `key`: version → (32 bytes, when it was made)."""
        answer = await self.read(f"transit/{self._service}/keys/{key}")
        return {
            int(version): (base64.b64decode(entry["public_key"]), datetime.fromisoformat(entry["creation_time"]))
            for version, entry in answer["keys"].items()
        }

    async def database_user(self, role: str) -> Credentials:
        """The current user of a database role; asks for one on first need."""
        async with self._asking:
            if role not in self._users:
                self._users[role] = await self._new_user(role)
            return self._users[role]

    def forget_user(self, role: str) -> None:
        """Says that the database refused the current user of `role`."""
        self._users.pop(role, None)

    def on_rotation(self, pool: Pool) -> None:
        """Has `pool` replace its connections after each change of users."""
        self._pools.append(pool)

    async def _new_user(self, role: str) -> Credentials:
        answer = await self._answer("GET", f"database/creds/{role}", None)
        data = answer["data"]
        return Credentials(data["username"], data["password"], int(answer["lease_duration"]))

    async def _call(
        self, method: str, path: str, payload: dict[str, Any] | None, *, may_miss: bool = False
    ) -> dict[str, Any]:
        data: dict[str, Any] = (await self._answer(method, path, payload, may_miss=may_miss)).get("data") or {}
        return data

    async def _answer(
        self, method: str, path: str, payload: dict[str, Any] | None, *, may_miss: bool = False, again: bool = True
    ) -> dict[str, Any]:
        if time.monotonic() > self._token_ends:
            await self._sign_in()
        headers = {"X-Vault-Token": self._token, "X-Request-Id": telemetry.request_id()}
        answer = await self._send(method, path, payload, headers)
        if answer.status_code == httpx2.codes.FORBIDDEN and again:
            # Our token may have died with its server's storage; a policy that refuses will refuse once more.
            self._token_ends = 0.0
            return await self._answer(method, path, payload, may_miss=may_miss, again=False)
        if may_miss and answer.status_code in (httpx2.codes.NOT_FOUND, httpx2.codes.BAD_REQUEST):
            raise LookupError
        if answer.is_error:
            _log.warning("OpenBao refused", extra={"status": answer.status_code, "operation": _operation(path)})
            raise errors.Unavailable
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body

    async def _send(
        self, method: str, path: str, payload: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx2.Response:
        try:
            return await self._http.request(method, path, json=payload, headers=headers)
        except (httpx2.HTTPError, OSError) as away:
            _log.warning("OpenBao away", extra={"error": type(away).__name__, "operation": _operation(path)})
            raise errors.Unavailable from away

    async def _sign_in(self) -> None:
        async with self._signing_in:
            if time.monotonic() < self._token_ends:
                return
            answer = await self._send("POST", "auth/cert/login", {"name": self._service}, {})
            if answer.is_error:
                _log.warning("OpenBao refused the sign-in", extra={"status": answer.status_code})
                raise errors.Unavailable
            auth = answer.json()["auth"]
            self._token = auth["client_token"]
            self._token_ends = time.monotonic() + auth["lease_duration"] * 0.9

    async def turn(self) -> None:
        """Renews everything: certificate, token, database users; the old users' connections are replaced."""
        await self._renew_certificate()
        # The old token is left to end by itself: its database users end with it, after their connections have gone.
        self._token_ends = 0.0
        self._users = {role: await self._new_user(role) for role in list(self._users)}
        for pool in self._pools:
            await pool.expire()

    async def _renew_certificate(self) -> None:
        answer = await self.write(f"pki/issue/{self._service}", {"common_name": self._service})
        chain = "\n".join([answer["private_key"], answer["certificate"], *answer["ca_chain"][:1]])
        self._certificate.replace(chain + "\n")

    def next_turn_in(self) -> float:
        """Seconds until the next turn: a third of the shortest life of what is held."""
        begins, ends = self._certificate.validity()
        lives = [
            (ends - begins).total_seconds() * _RENEW_AT - (datetime.now(UTC) - begins).total_seconds(),
            *(user.lease_seconds * _RENEW_AT for user in self._users.values()),
        ]
        return max(min(lives), 0.0)

    async def renew(self) -> None:
        """Turns for as long as the process lives; OpenBao away is waited for."""
        while True:
            await asyncio.sleep(self.next_turn_in())
            while True:
                try:
                    await self.turn()
                except errors.Unavailable:
                    await asyncio.sleep(_RETRY)
                else:
                    telemetry.vault_turns.labels(self._service).inc()
                    break

    async def close(self) -> None:
        """Gives the token back, which ends its database users at once, and closes the connections."""
        with suppress(errors.Unavailable):
            await self._answer("POST", "auth/token/revoke-self", None, again=False)
        await self._http.aclose()


@asynccontextmanager
async def connect(settings: Settings, certificate: Certificate) -> AsyncIterator[Vault]:
    """A session that keeps itself alive for the length of the block; OpenBao may be away when it begins."""
    vault = Vault(settings, certificate)
    renewal = asyncio.create_task(vault.renew(), name="vault-renewal")
    watch = asyncio.create_task(certificate.watch(), name="certificate-watch")
    try:
        yield vault
    finally:
        for task in (renewal, watch):
            task.cancel()
        await asyncio.gather(renewal, watch, return_exceptions=True)
        await vault.close()


def _operation(path: str) -> str:
    # The path without its last part, which is the client's id.
    return path.rsplit("/", 1)[0]
