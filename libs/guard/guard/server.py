"""The listener of every service: uvicorn, TLS 1.3, a client certificate required, the peer's name given to the app."""

import asyncio
import ssl
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guard.settings import Settings
from guard.tls import Certificate


class _PeerProtocol(HttpToolsProtocol):
    """Puts the names in the client's certificate into the ASGI scope (`extensions.tls_peer`)."""

    _names: tuple[str, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own type
        super().connection_made(transport)
        certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
        self._names = tuple(f"{kind}:{name}" for kind, name in certificate.get("subjectAltName", ()))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope.setdefault("extensions", {})["tls_peer"] = {"names": self._names}


async def serve(api: FastAPI, settings: Settings, certificate: Certificate) -> None:
    """Serves until SIGTERM or SIGINT, then lets running requests finish for 10 s."""
    context = certificate.server()

    def context_of(_config: uvicorn.Config, _default: Any) -> ssl.SSLContext:
        return context

    server = uvicorn.Server(
        uvicorn.Config(
            api,
            host=settings.listen_host,
            port=settings.listen_port,
            http=_PeerProtocol,
            ssl_context_factory=context_of,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=65_536,
            lifespan="on",
        )
    )
    await server.serve()
