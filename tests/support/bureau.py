"""`auth` from the inside: its office and its door in the test's process, with work that waits where a test says so."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from auth import sign_in
from auth.address import AddressBook
from auth.documents import Documents
from auth.office import Office
from auth.password import Hasher
from auth.revocation import Herald
from auth.session import Challenged, SignedIn, SignIn
from auth.throttle import Throttle
from auth.token import Signer
from auth.visitor import Visitor
from guard.access import Door, Entry
from guard.kafka import Kafka
from guard.vault import Vault
from support.hotel import Person
from support.machine import Machine
from support.workload import certificate, door, settings


class Gate:
    """Where work waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


class SlowHasher(Hasher):
    """Knows whether a password is right, and waits before it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def matches(self, stored: str | None, password: str) -> bool:
        is_right = await super().matches(stored, password)
        await self.gate.wait()
        return is_right


class SlowSigner(Signer):
    """Waits before it signs."""

    gate: Gate

    async def mint(self, client_id: UUID, claims: Mapping[str, Any], seconds: int) -> str:
        await self.gate.wait()
        return await super().mint(client_id, claims, seconds)


@dataclass
class Bureau:
    """An office that nobody else uses, and its door."""

    office: Office
    door: Door
    hasher: SlowHasher
    signing: Gate

    def visitor(self, ip: str = "192.0.2.200") -> Visitor:
        return Visitor(ip, "test", "request", None)

    async def sign_in(self, person: Person, entry: Entry) -> SignedIn | Challenged:
        body = SignIn(email=person.email, password=person.password)
        return await sign_in.with_password(self.office, entry, self.visitor(), body)

    @property
    def borrowed(self) -> int:
        """Connections that somebody holds."""
        inner = self.door.pools.request._inner
        return inner.get_size() - inner.get_idle_size()


@asynccontextmanager
async def bureau(stack: Machine) -> AsyncIterator[Bureau]:
    told, held = settings(stack, "auth"), certificate(stack, "auth")
    async with door(stack, "auth") as opened:
        secrets = cast("Vault", opened.keyring._vault)
        addresses = AddressBook(bytes.fromhex((await secrets.secret("email-index"))["key"]))
        signer = SlowSigner(
            secrets, opened.clock, issuer=told.issuer, audience=told.audience, grace=stack.stack.key_grace_seconds
        )
        signer.gate, hasher = Gate(), SlowHasher()
        # It is never started: what is revoked here goes out by the outbox of the service's own process.
        herald = Herald(Kafka(told.kafka, held.client(), "auth"), opened.pools.job, opened.clock)
        throttle = Throttle(addresses.throttle_key, 100)
        office = Office(addresses, hasher, throttle, signer, herald, Documents({}), secrets)
        try:
            yield Bureau(office, opened, hasher, signer.gate)
        finally:
            hasher.close()
