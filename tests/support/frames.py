"""HTTP/2 spoken frame by frame, so that a test can say what no client library would send."""

import socket
import ssl
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answered:
    """What came back on one stream; `status` 0 when it was reset or the connection was closed."""

    status: int = 0
    body: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)


def ask(port: int, context: ssl.SSLContext, headers: Headers, body: bytes = b"", *, patience: float = 5) -> Answered:
    """One request on a connection of its own, with exactly these header fields, whatever they are."""
    context.set_alpn_protocols(["h2"])
    # Nothing is checked or tidied on the way out: that is the point.
    settings = H2Configuration(
        client_side=True, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
    )
    answered = Answered()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=patience) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wire,
    ):
        connection = H2Connection(settings)
        connection.initiate_connection()
        connection.send_headers(1, headers, end_stream=not body)
        if body:
            connection.send_data(1, body, end_stream=True)
        wire.sendall(connection.data_to_send())
        try:
            while not _take(connection, wire.recv(65_536), answered):
                wire.sendall(connection.data_to_send())
        except (TimeoutError, ConnectionError, ssl.SSLError, ProtocolError):
            return answered
    return answered


def _take(connection: H2Connection, data: bytes, answered: Answered) -> bool:
    """Whether the answer is whole, or there will be none."""
    if not data:
        return True
    for event in connection.receive_data(data):
        if isinstance(event, ResponseReceived):
            answered.headers = {bytes(name): bytes(value) for name, value in event.headers}
            answered.status = int(answered.headers[b":status"])
        elif isinstance(event, DataReceived):
            answered.body += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
            return True
    return False
