"""What every service is made of, put together once: certificate, OpenBao, database, keys, Kafka, door, identity.

The only place in `guard` that constructs. A service adds its routes and its consumers, and nothing else.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from aiokafka.structs import ConsumerRecord
from fastapi import FastAPI
from pydantic import ValidationError

from events.stored import Stored
from guard import build, database, errors, http, idempotency, outbox, rewrapping, telemetry, tenant, vault
from guard.access import Door
from guard.access_token import TokenVerifier
from guard.clock import Clock
from guard.database import Pools
from guard.identity import Identity
from guard.inbox import Consumer, Handler
from guard.kafka import Kafka
from guard.keys import Keyring
from guard.outbox import Relay
from guard.revocation import Revocations
from guard.seal import SealKey
from guard.settings import Settings
from guard.tls import Certificate
from guard.vault import Vault

_log = logging.getLogger("guard.runtime")


@dataclass(slots=True)
class Runtime:
    """A running service's parts. `background` tasks end with it."""

    settings: Settings
    clock: Clock
    certificate: Certificate
    vault: Vault
    pools: Pools
    kafka: Kafka
    http: httpx2.AsyncClient
    door: Door
    identity: Identity
    revocations: Revocations
    build: str
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _is_stopping: bool = False

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs `work` until the service stops. Work that ends by itself, in whatever way, stops the service."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def consume(self, topics: Sequence[str], handler: Handler, *, purpose: str) -> Consumer:
        """Consumes `topics` in batches as the group `<service>.<purpose>` (see guard.inbox)."""
        consumer = Consumer(self.kafka, topics, handler, purpose=purpose)
        self.background(consumer.run(), f"consumer-{purpose}")
        return consumer

    def equip(self, api: FastAPI) -> None:
        """Gives the application its door and its identity check."""
        api.state.runtime = self
        api.state.door = self.door
        api.state.identity = self.identity
        api.state.build = self.build
        api.state.checks = [self._database_answers, self._revocations_are_known]

    async def _database_answers(self) -> None:
        async with tenant.platform_transaction(self.pools.request) as connection:
            await connection.execute("SELECT 1")

    async def _revocations_are_known(self) -> None:
        if not self.revocations.is_complete:
            raise errors.Unavailable("The revoked tokens are not known yet.")

    async def _confirm(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            try:
                stored = Stored.model_validate_json(record.value)
            except ValidationError:
                # Nothing is lost with it: what it confirmed is sent again, and confirmed again.
                _log.exception("unreadable confirmation")
                continue
            if stored.service == self.settings.service:
                await outbox.confirm(self.pools.job, stored)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._is_stopping:
            return
        # A part that died silently would leave a service that looks alive: stop it, its supervisor starts it anew.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        where = telemetry.where(error) if error is not None else ""
        cause = {"operation": task.get_name(), "error": type(error).__name__, "at": where}
        _log.critical("background work ended", extra=cause)
        signal.raise_signal(signal.SIGTERM)

    async def _stop(self) -> None:
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def start(settings: Settings, certificate: Certificate, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """All parts, running; waits for OpenBao, then starts the relay and the readers every service has."""
    clock = clock or Clock()
    running = build.digest(settings.service)  # now: a file that is edited later is not what runs
    async with AsyncExitStack() as stack:
        secrets = await stack.enter_async_context(vault.connect(settings, certificate))
        seal_key = await _seal_key(secrets)
        pools = await stack.enter_async_context(database.pools(settings, secrets, certificate.client("postgres")))
        kafka = Kafka(settings.kafka, certificate.client("kafka"), settings.service)
        peers = await stack.enter_async_context(http.client(certificate))
        verifier = TokenVerifier(peers, settings.auth, issuer=settings.issuer, audience=settings.audience, clock=clock)
        revocations = Revocations(kafka, peers, settings.auth, clock)
        relay = Relay(settings.service, kafka.producer)
        keyring = Keyring(secrets, settings.service, lifetime=settings.key_cache_seconds)
        door = Door(settings.service, pools, seal_key, keyring, clock, relay)
        identity = Identity(verifier, revocations.is_revoked, clock)
        runtime = Runtime(
            settings, clock, certificate, secrets, pools, kafka, peers, door, identity, revocations, running
        )
        stack.push_async_callback(runtime._stop)  # noqa: SLF001 - its own constructor
        runtime.background(relay.run(pools.job), "relay")
        runtime.background(revocations.run(), "revocations")
        runtime.background(idempotency.sweep(pools.job, clock), "idempotency-sweep")
        runtime.background(rewrapping.sweep(pools.job, secrets, settings.service), "rewrapping")
        runtime.consume(["audit.stored"], runtime._confirm, purpose="stored")  # noqa: SLF001 - the same
        yield runtime


async def _seal_key(secrets: Vault) -> SealKey:
    while True:
        try:
            secret = await secrets.secret("seal")
        except errors.Unavailable:
            _log.warning("waiting for OpenBao")
            await asyncio.sleep(1)
        else:
            return SealKey(int(secret["kid"]), bytes.fromhex(secret["key"]))
