"""A service that takes whatever is sent and never answers, so that an upload without end costs the machine little."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_server, socket

from support.edge import Echo, Edge

_ROOM = 1_048_576  # bytes


@contextmanager
def sink(own: Edge, name: str) -> Iterator[None]:
    """It stands in the place of `name`'s echo, which is back afterwards."""
    own.services[name].stop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.stack.identity(name) / "identity.pem")
    context.load_verify_locations(own.stack.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    with create_server(("127.0.0.1", own.stack.port_of(name))) as listening:
        thread = threading.Thread(target=_accept, args=(listening, context), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(2)
            thread.join(10)
    own.services[name] = Echo(own.stack, name, {})
    own.services[name].start()


def _accept(listening: socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):  # it is closed
        while True:
            plain, _ = listening.accept()
            threading.Thread(target=_swallow, args=(plain, context), daemon=True).start()


def _swallow(plain: socket, context: ssl.SSLContext) -> None:
    room = memoryview(bytearray(_ROOM))
    with suppress(OSError), context.wrap_socket(plain, server_side=True) as encrypted:
        while encrypted.recv_into(room):
            pass
