"""Load from kept-alive connections that each wait for their answer, as cheap as Python allows.

It measures others: what it spends itself is the same for every route that is compared, and is never subtracted.
"""

import asyncio
import itertools
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import cast


@dataclass
class Load:
    """What a stretch of load saw. Latencies are in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that `share` of all answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as bytes; a body is JSON unless `headers` say otherwise."""
    said = {"Host": "localhost", **headers}
    if body:
        said = {"Content-Type": "application/json", **said, "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class _Course:
    """What all connections of one stretch share: the requests, when each is due, and when it is over."""

    requests: Iterator[bytes]
    load: Load
    rate: float  # requests a second; 0: as fast as they are answered
    answered: Callable[[bytes], None] | None
    began: float = 0.0
    end: float = float("inf")
    _begun: int = 0

    def next(self) -> tuple[float, bytes] | None:
        """Seconds until the next request is due, and the request; None when there is none any more."""
        now = time.perf_counter()
        due = self.began + self._begun / self.rate if self.rate else now
        wanted = None if max(due, now) > self.end else next(self.requests, None)
        if wanted is None:
            return None
        self._begun += 1
        return max(due - now, 0.0), wanted


class _Caller(asyncio.Protocol):
    """One connection: the next request goes out when it is due and the last answer is in."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self._buffer = bytearray()
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class has no base

    def begin(self) -> None:
        following = self._course.next()
        if following is None:
            self._transport.close()
        elif following[0] > 0:
            asyncio.get_running_loop().call_later(following[0], self._send, following[1])
        else:
            self._send(following[1])

    def _send(self, wanted: bytes) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        self._course.load.latencies.append(time.perf_counter() - self._sent_at)
        self._course.load.statuses[int(self._buffer[9:12])] += 1
        if self._course.answered is not None:
            self._course.answered(head)
        del self._buffer[: end + 4 + length]
        self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None) if exc is None else self.ended.set_exception(exc)


async def drive(
    port: int,
    context: ssl.SSLContext,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float = 0,
    count: int = 0,
    rate: float = 0,
    answered: Callable[[bytes], None] | None = None,
) -> Load:
    """Sends `requests` round and round for `seconds`, or `count` of them, over `connections`, `rate` a second at most.

    `answered` is given the head of each answer, in small letters.
    """
    loop = asyncio.get_running_loop()
    todo = itertools.islice(itertools.cycle(requests), count) if count else itertools.cycle(requests)
    course = _Course(todo, Load(), rate, answered)
    callers = []
    for _ in range(connections):
        made = await loop.create_connection(
            lambda: _Caller(course), "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        callers.append(made[1])
    course.began = time.perf_counter()
    course.end = course.began + seconds if seconds else course.end
    for caller in callers:
        caller.begin()
    await asyncio.gather(*(caller.ended for caller in callers))
    course.load.seconds = time.perf_counter() - course.began
    return course.load


def middle(values: Sequence[float]) -> float:
    """The median: on a shared machine a mean belongs to whoever disturbed it."""
    return median(values)
