"""An upload as an honest caller sends it: so many bytes at a steady pace, over either HTTP, its length told or not."""

import time
from collections.abc import Iterator

from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, WindowUpdateFrame

from support.attacker import Target
from support.wire import Http2, Line, frames

EVERY = 0.25  # seconds between two pieces
_FRAME = 16_384  # bytes
_PATIENCE = 15.0  # seconds for the answer


def request(target: Target, path: str, *lines: str) -> bytes:
    """The head of an upload over HTTP/1.1; `lines` are more headers."""
    known = [
        f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {target.token}", "Content-Type: audio/wav",
    ]  # fmt: skip
    return "\r\n".join([*known, *lines, "", ""]).encode()


def steadily(target: Target, path: str, length: int, seconds: float, *, told: bool) -> str:
    """Sends `length` bytes in `seconds` over HTTP/1.1; the status, or "cut"."""
    head = f"Content-Length: {length}" if told else "Transfer-Encoding: chunked"
    with Line(target) as line:
        line.send(request(target, path, head))
        for piece in _pieces(length, seconds):
            line.send(piece if told else b"%x\r\n%s\r\n" % (len(piece), piece))
            if line.read(EVERY) or line.is_cut:
                break
        else:
            line.send(b"" if told else b"0\r\n\r\n")
            _wait(line)
        return line.received[9:12].decode() or "cut"


def steadily_2(target: Target, path: str, length: int, seconds: float) -> str:
    """The same over HTTP/2, as fast as its window lets it where that is slower."""
    with Http2(target) as line:
        line.put(line.request(1, path, ("content-type", "audio/wav"), method="POST", ends=False))
        window = _Window(line)
        for piece in _pieces(length, seconds):
            for at in range(0, len(piece), _FRAME):
                window.send(piece[at : at + _FRAME])
            window.look(EVERY)
            if window.is_over:
                break
        else:
            line.put(DataFrame(1, b"", flags=["END_STREAM"]))
        status = line.answer(_PATIENCE).status
        return str(status) if status else "cut"


class _Window:
    """What the other side lets us send on the first stream (RFC 9113, 6.9)."""

    def __init__(self, line: Http2) -> None:
        self.is_over = False
        self._line = line
        self._room = {0: 65_535, 1: 65_535}
        self._unread = b""

    def send(self, data: bytes) -> None:
        while not self.is_over and min(self._room.values()) < len(data):
            self.look(0.002)
        self._line.put(DataFrame(1, data))
        for stream in self._room:
            self._room[stream] -= len(data)

    def look(self, seconds: float) -> None:
        self._unread += self._line.read(seconds)
        for frame in frames(self._unread):
            self._unread = self._unread[9 + frame.body_len :]
            if isinstance(frame, WindowUpdateFrame):
                self._room[frame.stream_id] += frame.window_increment
            self.is_over = self.is_over or isinstance(frame, HeadersFrame | RstStreamFrame | GoAwayFrame)
        self.is_over = self.is_over or self._line.is_cut


def _pieces(length: int, seconds: float) -> Iterator[bytes]:
    number = max(1, round(seconds / EVERY))
    for at in range(number):
        yield b"x" * (length * (at + 1) // number - length * at // number)


def _wait(line: Line) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and not line.is_cut and b"\r\n\r\n" not in line.received:
        line.read(0.1)
