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
    """One HTTP/1.1 request as bytes."""
    said = {"Host": "localhost", **headers}
    if body:
        said |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class _Caller(asyncio.Protocol):
    """One connection: the next request goes out when the last answer is in."""

    def __init__(self, requests: Iterator[bytes], load: Load, until: Callable[[], bool]) -> None:
        self._requests, self._load, self._until = requests, load, until
        self._buffer = bytearray()
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class has no base

    def begin(self) -> None:
        wanted = None if self._until() else next(self._requests, None)
        if wanted is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lowered = bytes(self._buffer[:head]).lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        self._load.latencies.append(time.perf_counter() - self._sent_at)
        self._load.statuses[int(self._buffer[9:12])] += 1
        del self._buffer[: head + 4 + length]
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
) -> Load:
    """Sends `requests` round and round for `seconds`, or `count` of them, over `connections`."""
    load = Load()
    loop = asyncio.get_running_loop()
    todo = itertools.islice(itertools.cycle(requests), count) if count else itertools.cycle(requests)
    end = float("inf")
    callers = [
        (
            await loop.create_connection(
                lambda: _Caller(todo, load, lambda: time.perf_counter() > end),
                "127.0.0.1", port, ssl=context, server_hostname="localhost",
            )
        )[1]
        for _ in range(connections)
    ]  # fmt: skip
    began = time.perf_counter()
    end = began + seconds if seconds else end
    for caller in callers:
        caller.begin()
    await asyncio.gather(*(caller.ended for caller in callers))
    load.seconds = time.perf_counter() - began
    return load


def middle(values: Sequence[float]) -> float:
    """The median: on a shared machine a mean belongs to whoever disturbed it."""
    return median(values)
