"""The only file that constructs. Read it top to bottom and you know the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from audit import collector, consumers, delivery, months
from audit.routes import router
from audit.settings import Settings
from guard import database, http, runtime, vault
from guard.places import Places
from guard.tls import Certificate


def build(settings: Settings, certificate: Certificate) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with runtime.start(settings, certificate) as parts:
            parts.background(months.keep_ahead(parts.pools.job, parts.clock), "months")
            record = consumers.record_accesses(parts.pools.job, parts.door.relay)
            parts.consume(consumers.ACCESSES, record, purpose="accesses")
            api.state.places = Places("exports", delivery.EXPORTS, retry_after=10)
            parts.equip(api)
            yield

    return http.app("audit", [router], lifespan=run)


async def collect(settings: Settings, certificate: Certificate) -> None:
    """The second process: OpenBao's own audit file into the log. No listener, no route, the job role alone."""
    if settings.vault_audit_log is None:
        raise FileNotFoundError("set KONCI_VAULT_AUDIT_LOG to OpenBao's audit file")
    async with (
        vault.connect(settings, certificate) as secrets,
        database.pools(settings, secrets, certificate.client("postgres")) as pools,
    ):
        await collector.follow(settings.vault_audit_log, pools.job)
