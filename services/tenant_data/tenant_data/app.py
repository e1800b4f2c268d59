"""The only file that constructs. Read it top to bottom and you know the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from guard import http, runtime
from guard.tls import Certificate
from tenant_data import consumers, retention
from tenant_data.routes import router
from tenant_data.settings import Settings


def build(settings: Settings, certificate: Certificate) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with runtime.start(settings, certificate) as parts:
            parts.consume([consumers.CLIENTS], consumers.learn_clients(parts.pools.job), purpose="clients")
            parts.consume([consumers.HOLDS], consumers.learn_holds(parts.pools.job), purpose="holds")
            parts.background(retention.run(parts.door, settings.retention_every_seconds), "retention")
            parts.equip(api)
            yield

    # It asks for its caller whether a call is there, before it takes the call's audio.
    return http.app("tenant_data", [router], lifespan=run, relays=frozenset({"recording_storage"}))
