"""HTTP/1.1 over one kept TLS connection, and no more: the client's share of the machine must not decide the rate."""

import asyncio
import ssl
from dataclasses import dataclass, field

_PATIENCE = 25.0  # seconds for one answer; the gateway gives a service 15


class Lost(Exception):
    """No answer: whether the request was carried out, nobody on this side knows."""


@dataclass(slots=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """A connection to one listener, opened when it is needed and again after it broke. One request at a time."""

    port: int
    context: ssl.SSLContext
    host: str = "localhost"
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Sends and waits for the answer. Raises Lost when there is none; it is never sent twice."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._ask(method, path, headers, body)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as broken:
            self.close()
            raise Lost(type(broken).__name__) from broken
        except asyncio.CancelledError:
            self.close()
            raise

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        reader, writer = self._streams or await self._open()
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in ("POST", "PATCH", "PUT"):
            lines += [f"content-length: {len(body)}", "content-type: application/json"]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        head, *named = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in named)}
        content = await _body(reader, told)
        if told.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(head.split(" ", 2)[1]), told, content)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        at = "127.0.0.1"
        self._streams = await asyncio.open_connection(
            at, self.port, ssl=self.context, server_hostname=self.host, limit=1 << 20
        )
        return self._streams

    def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", "0"))
        return await reader.readexactly(length) if length else b""
    content = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        content += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return bytes(content)
