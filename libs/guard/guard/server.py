"""The listener of every service: uvicorn, TLS 1.3, a client certificate required, the peer's name given to the app."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guard.settings import Settings
from guard.tls import Certificate

_GRACE = 10  # seconds that running requests get when the service is told to stop
_BACKLOG = 2048


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


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they would end the process by the signal, in the middle of its closing."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(api: FastAPI, settings: Settings, certificate: Certificate) -> None:
    """Starts the application, then listens; serves until cancelled, and lets running requests finish for 10 s.

    Raises OSError when the port is taken, and whatever the application's lifespan raises.
    """
    context = certificate.server()
    server = _Server(_config(api, context))
    with _bound(settings) as listener:
        # Entered here and not by uvicorn: a start that waits (for OpenBao) can be told to stop.
        async with api.router.lifespan_context(api):
            _spare_the_collector()
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                server.should_exit = True
                await serving
                raise
            finally:
                for port in getattr(server, "servers", ()):  # open still when the loop itself was broken off
                    port.close()


def _spare_the_collector() -> None:
    # What a start leaves lives as long as the process, and an access makes thousands of objects that die with it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _bound(settings: Settings) -> socket.socket:
    # Bound and not yet listening: a taken port is known at once, and nobody is let in to wait for a slow start.
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.listen_host, settings.listen_port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(api: FastAPI, context: ssl.SSLContext) -> uvicorn.Config:
    def context_of(_config: uvicorn.Config, _default: Any) -> ssl.SSLContext:
        return context  # the live one, which is reloaded when the certificate changes

    return uvicorn.Config(
        api,
        http=_PeerProtocol,
        ws="none",
        lifespan="off",
        ssl_context_factory=context_of,
        log_config=None,
        access_log=False,
        server_header=False,
        # On by default, and it believes X-Forwarded-For from this whole machine: any workload could choose its address.
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,  # longer than the gateway keeps an idle connection: it never meets a closing one
        timeout_graceful_shutdown=_GRACE,
    )
