"""HTTP as an attacker writes it: bytes over TLS, HTTP/2 frame by frame, with no library that would object."""

import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
)

from support.attacker import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PATIENCE = 10.0

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answered:
    """What came back on one stream; `status` 0 when it was reset or the connection was closed."""

    status: int = 0
    body: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    is_over: bool = False


class Line:
    """A TLS connection to the gateway. Written to until the other side cuts it."""

    def __init__(self, target: Target, *protocols: str, room: int | None = None) -> None:
        """`room`: bytes that the kernel takes in for us unread."""
        plain = socket.socket()
        plain.settimeout(_PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a small frame waits 40 ms for an answer
        if room is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        plain.connect(("127.0.0.1", target.port))
        context = ssl.create_default_context(cafile=target.ca)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self.target = target
        self.received = b""
        self.is_cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Whether it could still be written within the patience of 10 s."""
        try:
            self._socket.sendall(data)
        except TimeoutError:
            return False
        except OSError:  # ssl.SSLError is one
            self.is_cut = True
            return False
        return True

    def read(self, seconds: float) -> bytes:
        """What arrives within `seconds`; shorter when the other side ends it."""
        end = time.monotonic() + seconds
        news = b""
        while not self.is_cut and (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                piece = self._socket.recv(65_536)
            except TimeoutError:
                break
            except OSError:
                piece = b""
            self.is_cut = not piece
            news += piece
        self._socket.settimeout(_PATIENCE)
        self.received += news
        return news

    def is_cut_within(self, seconds: float) -> bool:
        self.read(seconds)
        return self.is_cut


class Http2(Line):
    """An HTTP/2 connection after its preface; `settings` are what we tell the other side."""

    def __init__(self, target: Target, settings: dict[int, int] | None = None, *, room: int | None = None) -> None:
        super().__init__(target, "h2", room=room)
        self._encoder = Encoder()
        self.send(PREFACE + SettingsFrame(0, settings=settings or {}).serialize())

    def put(self, *frames: Frame) -> bool:
        return self.send(b"".join(frame.serialize() for frame in frames))

    def request(
        self, stream: int, path: str, *more: tuple[str, str], method: str = "GET", ends: bool = True
    ) -> HeadersFrame:
        """A whole request as one HEADERS frame."""
        frame = HeadersFrame(stream, self.encoded(path, *more, method=method), flags=["END_HEADERS"])
        if ends:
            frame.flags.add("END_STREAM")
        return frame

    def encoded(self, path: str, *more: tuple[str, str], method: str = "GET") -> bytes:
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
            ("authorization", f"Bearer {self.target.token}"),
            *more,
        ]
        return self._encoder.encode(fields)

    def answer(self, seconds: float) -> Answered:
        """What came back on the first stream, whole, or as far as it came within `seconds`."""
        end = time.monotonic() + seconds
        answered = Answered()
        while not answered.is_over and not self.is_cut and time.monotonic() < end:
            self.read(0.02)
            answered = _told(frames(self.received))
        return answered

    def statuses(self) -> dict[int, str]:
        """Stream -> `:status`, of every answer in what was read so far."""
        decoder = Decoder()
        return {
            frame.stream_id: dict(decoder.decode(frame.data))[":status"]
            for frame in frames(self.received)
            if isinstance(frame, HeadersFrame)
        }


def ask(port: int, ca: str, headers: Headers, body: bytes = b"") -> Answered:
    """One request on a connection of its own, with exactly these header fields, whatever they are."""
    with Http2(Target(port, ca, token="")) as line:
        head = HeadersFrame(1, Encoder().encode(headers), flags=["END_HEADERS", *([] if body else ["END_STREAM"])])
        line.put(head, *([DataFrame(1, body, flags=["END_STREAM"])] if body else []))
        return line.answer(5)


def _told(received: Iterable[Frame]) -> Answered:
    answered, decoder = Answered(), Decoder()
    for frame in received:
        if isinstance(frame, HeadersFrame):
            answered.headers = dict(decoder.decode(frame.data, raw=True))
            answered.status = int(answered.headers[b":status"])
        elif isinstance(frame, DataFrame):
            answered.body += frame.data
        over = isinstance(frame, RstStreamFrame | GoAwayFrame) or "END_STREAM" in frame.flags
        answered.is_over = answered.is_over or over
    return answered


def frames(data: bytes) -> Iterable[Frame]:
    """The whole frames in `data`."""
    while len(data) >= 9:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        if len(data) < 9 + length:
            return
        frame.parse_body(memoryview(data[9 : 9 + length]))
        yield frame
        data = data[9 + length :]


def continuation(stream: int, block: bytes, *, ends: bool = False) -> ContinuationFrame:
    return ContinuationFrame(stream, block, flags=["END_HEADERS"] if ends else [])
