"""`python -m performance.stream`: one upload or play over TLS, as a caller's program makes it, in a process of its own.

It holds a piece at a time, whatever it moves. It connects, says so, and begins when it is given a token by its input,
so that many begin at once; what it saw is one line of its output.
"""

import asyncio
import json
import ssl
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from performance.source import PIECE, Source
from stack.settings import REPO

_CONNECTED = "connected"
_PATIENCE = 180.0  # seconds for one piece
_HELD = 2**26  # bytes: an upload of so many is made before the clock begins, a longer one while it is sent


@dataclass(frozen=True)
class Order:
    """What is to be moved: `length` bytes of the source of `seed`, up to `path` or down from it."""

    ca: str
    port: int
    path: str
    seed: int
    length: int
    is_upload: bool
    is_checked: bool = True  # a play is compared with its source, which costs a tenth of it

    @property
    def source(self) -> Source:
        return Source(self.seed, self.length)


@dataclass(frozen=True)
class Seen:
    """What came of it. Times are the kernel's monotonic ones: the same for all processes of a machine."""

    began: float
    ended: float
    status: int = 0  # 0: there was no answer
    moved: int = 0  # bytes
    is_right: bool = False  # an upload was stored; all of a play came, and as it was recorded
    answer: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def said(self) -> str:
        """Of one that is not right: what it met."""
        return self.error or str(self.status)


@dataclass(frozen=True)
class Waiting:
    """A stream that is connected and has not begun."""

    process: Process

    async def begin(self, token: str) -> Seen:
        """What came of it."""
        told, _ = await self.process.communicate(f"{token}\n".encode())
        return Seen(**json.loads(told))


async def moved(orders: Sequence[Order], token: Callable[[], str]) -> list[Seen]:
    """All of them at once: none begins before the last is connected."""
    async with connected(orders) as waiting:
        return list(await asyncio.gather(*(one.begin(token()) for one in waiting)))


@asynccontextmanager
async def connected(orders: Sequence[Order]) -> AsyncIterator[list[Waiting]]:
    """A process for each, which ends with the block if it has not ended before."""
    started = [await _start(order) for order in orders]
    try:
        await asyncio.gather(*(_connected(process) for process in started))
        yield [Waiting(process) for process in started]
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


def rate(seen: Sequence[Seen]) -> float:
    """Bytes a second of all of them, from the first one's beginning to the last one's end."""
    return sum(one.moved for one in seen) / (max(one.ended for one in seen) - min(one.began for one in seen))


async def _start(order: Order) -> Process:
    told = json.dumps(asdict(order))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "performance.stream", told, stdin=PIPE, stdout=PIPE,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPO / "tests")},
    )  # fmt: skip


async def _connected(process: Process) -> None:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    assert line == _CONNECTED, f"a stream did not come about: {line or 'it ended'}"


def main(order: Order) -> Seen:
    context = ssl.create_default_context(cafile=order.ca)
    line = HTTPSConnection("localhost", order.port, timeout=_PATIENCE, context=context)
    pieces: Iterable[bytes] = order.source.pieces() if order.is_upload else ()
    pieces = list(pieces) if order.length <= _HELD else pieces
    line.connect()
    print(_CONNECTED, flush=True)
    headers = {"Authorization": f"Bearer {sys.stdin.readline().strip()}"}
    began = time.monotonic()
    try:
        told = _upload(line, order, pieces, headers) if order.is_upload else _play(line, order, headers)
    except (OSError, HTTPException) as broken:
        told = {"error": type(broken).__name__}
    return Seen(began=began, ended=time.monotonic(), **told)


def _upload(line: HTTPSConnection, order: Order, pieces: Iterable[bytes], headers: dict[str, str]) -> dict[str, Any]:
    told = {**headers, "Content-Type": "audio/wav", "Content-Length": str(order.length)}
    with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end: the answer says why
        line.request("POST", order.path, body=pieces, headers=told)
    answer = line.getresponse()
    body = answer.read()
    if answer.status != 201:
        return {"status": answer.status}
    return {"status": 201, "moved": order.length, "is_right": True, "answer": json.loads(body)}


def _play(line: HTTPSConnection, order: Order, headers: dict[str, str]) -> dict[str, Any]:
    line.request("GET", order.path, headers=headers)
    answer = line.getresponse()
    if answer.status != 200:
        return {"status": answer.status}
    heard, is_equal = listen(answer, order.source if order.is_checked else None)
    wrong = "other bytes than were recorded" if not is_equal else "cut" if heard != order.length else ""
    return {"status": 200, "moved": heard, "is_right": not wrong, "error": wrong}


def listen(answer: HTTPResponse, source: Source | None) -> tuple[int, bool]:
    """Reads it to its end: how many bytes that were, and whether all are the source's."""
    room, heard, is_equal = memoryview(bytearray(PIECE)), 0, True
    while count := answer.readinto(room):
        is_equal = is_equal and (source is None or source.at(heard, count) == bytes(room[:count]))
        heard += count
    return heard, is_equal


if __name__ == "__main__":
    print(json.dumps(asdict(main(Order(**json.loads(sys.argv[1]))))), flush=True)
