"""The only file that constructs. Read it top to bottom and you know the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from guard import http, runtime
from guard.tls import Certificate
from recording_storage.routes import router
from recording_storage.settings import Settings


def build(settings: Settings, certificate: Certificate) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with runtime.start(settings, certificate) as parts:
            parts.equip(api)
            yield

    return http.app("recording_storage", [router], lifespan=run)
