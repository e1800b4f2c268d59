"""A service of the stack from the inside: its own certificate, database users and keys, in the test's process."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2

from guard import database, vault
from guard.access import Door
from guard.clock import Clock
from guard.database import Pools
from guard.identity import Caller
from guard.kafka import Kafka
from guard.keys import Keyring
from guard.outbox import Relay
from guard.rights import ROLES
from guard.seal import SealKey
from guard.settings import Settings
from guard.tls import Certificate
from stack import services
from support.machine import Machine


def settings(stack: Machine, service: str, **changes: Any) -> Settings:
    """What the service's own process is told, with `changes`."""
    told: Mapping[str, str] = services.environment(stack.stack, service)
    fields = {name.removeprefix("KONCI_").lower(): value for name, value in told.items() if name.startswith("KONCI_")}
    return Settings.model_validate({"service": service, **fields, **changes})


def certificate(stack: Machine, name: str) -> Certificate:
    return Certificate(stack.stack.identity(name))


def workload(stack: Machine, name: str, to: str, **options: Any) -> httpx2.AsyncClient:
    """An mTLS client as workload `name`, straight to service `to`: the way in that bypasses the gateway."""
    return httpx2.AsyncClient(
        base_url=stack.url_of(to), verify=certificate(stack, name).client(), trust_env=False, timeout=10, **options
    )


def bare_context(stack: Machine) -> ssl.SSLContext:
    """Trusts the platform's CA and shows no certificate."""
    return ssl.create_default_context(cafile=str(stack.run / "ca.pem"))


@asynccontextmanager
async def door(stack: Machine, service: str, **changes: Any) -> AsyncIterator[Door]:
    """The door of `service`, opened from the test; its relay does not run (the service's own sends what we commit)."""
    told = settings(stack, service, **changes)
    held = certificate(stack, service)
    async with vault.connect(told, held) as secrets, database.pools(told, secrets, held.client()) as pools:
        yield await _door(told, secrets, pools, held)


async def _door(told: Settings, secrets: vault.Vault, pools: Pools, held: Certificate) -> Door:
    seal = await secrets.secret("seal")
    seal_key = SealKey(int(seal["kid"]), bytes.fromhex(seal["key"]))
    relay = Relay(told.service, Kafka(told.kafka, held.client(), told.service).producer)
    keyring = Keyring(secrets, told.service, lifetime=told.key_cache_seconds)
    return Door(told.service, pools, seal_key, keyring, Clock(), relay)


def caller(client_id: UUID, role: str = "admin") -> Caller:
    """A user of a client, as a verified token would make it."""
    return Caller(
        "user", "00000000-0000-7000-8000-000000000001", role, client_id, ROLES[role], "127.0.0.1", "test", "request"
    )
