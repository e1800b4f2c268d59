"""The only file that constructs. Read it top to bottom and you know the service."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePosixPath

import httpx2
from fastapi import FastAPI

from auth import client_news, pruning
from auth.address import AddressBook
from auth.documents import Documents
from auth.office import Office
from auth.password import Hasher
from auth.revocation import Herald
from auth.routes import router
from auth.settings import Settings
from auth.throttle import Throttle
from auth.token import Signer
from guard import http, runtime
from guard.tls import Certificate


def build(settings: Settings, certificate: Certificate) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as clients, runtime.start(settings, certificate) as parts:
            addresses = AddressBook(bytes.fromhex((await parts.vault.secret("email-index"))["key"]))
            grace = settings.key_grace_seconds
            signer = Signer(parts.vault, parts.clock, issuer=settings.issuer, audience=settings.audience, grace=grace)
            herald = Herald(parts.kafka, parts.pools.job, parts.clock)
            hasher = Hasher()
            throttle = Throttle(addresses.throttle_key, settings.attempts_per_address)
            documents = Documents(await _sources(settings, certificate, clients))
            parts.background(herald.run(), "herald")
            parts.background(client_news.run(parts.door, parts.kafka, herald.lost), "client-news")
            parts.background(pruning.run(parts.pools.job, parts.clock), "pruning")
            parts.equip(api)
            api.state.office = Office(addresses, hasher, throttle, signer, herald, documents, parts.vault)
            try:
                yield
            finally:
                hasher.close()

    return http.app("auth", [router], lifespan=run)


async def _sources(
    settings: Settings, certificate: Certificate, clients: AsyncExitStack
) -> dict[str, httpx2.AsyncClient]:
    # `…/<service>.json`: a client for each, because it trusts that one service's name and no other.
    addresses = [address for address in settings.openapi_of.split(",") if address]
    return {
        address: await clients.enter_async_context(http.client(certificate, peer=PurePosixPath(address).stem))
        for address in addresses
    }
