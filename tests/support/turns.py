"""What of a stack turns, seen from outside: certificates on listeners, database users, OpenBao's tokens, keys.

It looks once a second and never asks a service what it believes.
"""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from cryptography import x509

from stack import bao, openbao, postgres, renewal
from stack.bao import Bao, Refused
from stack.settings import SERVICES, Stack
from support.hotel import gateway
from support.machine import Machine

LISTENERS = ("gateway", *SERVICES, "postgres", "kafka", "kafka_controller")
SIGNING = "token-signing"
_POLICY = """
path "transit/+/keys/+" { capabilities = ["read"] }
path "transit/+/keys/+/rotate" { capabilities = ["update"] }
path "transit/+/keys/+/config" { capabilities = ["update"] }
"""
_USERS = """
    SELECT member.rolname AS name, role.rolname AS role
      FROM pg_auth_members AS link
      JOIN pg_roles AS member ON member.oid = link.member
      JOIN pg_roles AS role ON role.oid = link.roleid
     WHERE role.rolname = ANY($1::text[]) AND member.rolcanlogin
"""


@asynccontextmanager
async def turner(here: Stack) -> AsyncIterator[Bao]:
    """A session that may turn transit keys, which no workload may: the bootstrap lends itself the right, for a test."""
    async with bao.session(here) as session:
        await session.write("sys/policies/acl/turner", policy=_POLICY)
        role = openbao.certificate_role(here, "bootstrap", token_ttl=600) | {"token_policies": ["turner"]}
        await session.write("auth/cert/certs/turner", **role)
    async with bao.client(here, base_url=here.url_of("openbao")) as http:
        session = Bao(http)
        await session._login("turner")
        yield session


async def keys_of(session: Bao, client_id: str) -> dict[str, int]:
    """Transit key -> its newest version: the signing key, and this client's in every service that has one."""
    paths = [f"auth/keys/{SIGNING}", *(f"{service}/keys/{client_id}" for service in SERVICES)]
    read = {path: await session.read(f"transit/{path}") for path in paths}
    return {path: key["latest_version"] for path, key in read.items() if key}


class Turns:
    """Everything that was ever seen, by what it is."""

    def __init__(self, stack: Machine) -> None:
        self._stack = stack
        self._here = stack.stack
        self._accessors: set[str] = set()
        self.seen: dict[str, set[str]] = defaultdict(set)

    def turned(self) -> dict[str, int]:
        """How often each has been replaced by another."""
        return {what: len(values) - 1 for what, values in sorted(self.seen.items())}

    def note_token(self, access_token: str) -> None:
        header = access_token.split(".", 1)[0]
        self.seen["kid in access tokens"].add(json.loads(urlsafe_b64decode(header + "=="))["kid"])

    async def watch(self) -> None:
        """Looks every second, until cancelled."""
        main = await postgres.superuser(self._here)
        try:
            while True:
                began = time.monotonic()
                await asyncio.to_thread(self._certificates)
                await self._users(main)
                await self._tokens()
                await asyncio.sleep(max(0.0, began + 1 - time.monotonic()))
        finally:
            await main.close()

    def _certificates(self) -> None:
        for name in LISTENERS:
            certificate = x509.load_der_x509_certificate(renewal.served(self._here, name))
            self.seen[f"certificate of {name}"].add(f"{certificate.serial_number:x}")
        with gateway(self._stack) as http:
            keys = http.get("/.well-known/jwks.json").raise_for_status().json()["keys"]
        self.seen["kid in the key set"].update(key["kid"] for key in keys)

    async def _users(self, main: "asyncpg.Connection[Any]") -> None:
        roles = [f"{service}_{kind}" for service in SERVICES for kind in ("request", "job")]
        for row in await main.fetch(_USERS, roles):
            self.seen[f"database user of {row['role']}"].add(row["name"])

    async def _tokens(self) -> None:
        async with bao.session(self._here) as session:
            for accessor in set(await session.list("auth/token/accessors")) - self._accessors:
                self._accessors.add(accessor)
                try:
                    token = await session.write("auth/token/lookup-accessor", accessor=accessor)
                except Refused:
                    continue  # ended between the two calls
                for policy in set(token["policies"]) & set(SERVICES):
                    self.seen[f"OpenBao token of {policy}"].add(accessor)
