"""05.3, 05.4: a request hidden in another, as a flood: it never arrives, and nobody gets an answer that was another's.

The good client asks each time for something else, and looks whether it is told of that: a shifted answer is not.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import GoodClient
from support.wire import Http2, Line

HIDDEN = "/v1/guests/hidden"
# The gateway drops the return (RFC 9112, 2.2 lets it) and reads one header: the request is answered, once.
BARE_RETURN = "a header with a bare return"


def _hidden(target: Target) -> bytes:
    """A whole request that would be answered, if anybody took it for one."""
    return f"GET {HIDDEN} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {target.token}\r\n\r\n".encode()


def _outer(target: Target, *lines: bytes, method: bytes = b"POST", path: bytes = b"/v1/guests/outer") -> bytes:
    known = [method + b" " + path + b" HTTP/1.1", b"Host: localhost", b"Authorization: Bearer " + target.token.encode()]
    return b"\r\n".join([*known, *lines, b"", b""])


def http_1(target: Target) -> dict[str, bytes]:
    hidden = _hidden(target)
    length = b"Content-Length: %d" % (len(hidden) + 5)
    codings = {
        "length and chunks": b"Transfer-Encoding: chunked",
        "space before the colon": b"Transfer-Encoding : chunked",
        "a coding that is none": b"Transfer-Encoding: xchunked",
        "chunked and another": b"Transfer-Encoding: chunked, identity",
        "chunked with a control character": b"Transfer-Encoding: \x0bchunked",
        "folded": b"Transfer-Encoding:\r\n chunked",
        "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    }
    attempts = {name: _outer(target, length, coding) + b"0\r\n\r\n" + hidden for name, coding in codings.items()}
    lengths = {
        "two lengths": b"Content-Length: 0\r\n" + length,
        "a length with a sign": b"Content-Length: +0",
        "a length in hexadecimal": b"Content-Length: 0x0",
        "a list of lengths": b"Content-Length: 0, 0",
        "a negative length": b"Content-Length: -1",
    }
    attempts |= {name: _outer(target, line) + hidden for name, line in lengths.items()}
    chunked = _outer(target, b"Transfer-Encoding: chunked")
    attempts |= {
        "a chunk beyond all numbers": chunked + b"FFFFFFFFFFFFFFFFF\r\n" + hidden,
        "a chunk of no number": chunked + b"0x0\r\n\r\n" + hidden,
        "a chunk with a bare line feed": chunked + b"1\nx\r\n0\r\n\r\n" + hidden,
        BARE_RETURN: _outer(target, length, b"A: b\rTransfer-Encoding: chunked") + b"0\r\n\r\n" + hidden,
        "a header with a zero byte": _outer(target, b"A: b\0c", b"Content-Length: 0") + hidden,
        "a path with a space": _outer(target, b"Content-Length: 0", path=b"/v1/guests/a b") + hidden,
        "a method of no letters": _outer(target, b"Content-Length: 0", method=b"GE\x01T") + hidden,
    }
    return attempts


def http_2(target: Target) -> dict[str, list[tuple[str, str]]]:
    """Header fields that HTTP/2 may carry and HTTP/1, which the services speak, would read as more than one."""
    split = f"x\r\n\r\n{_hidden(target).decode()}"
    ordinary = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": "/v1/guests/outer"}
    token = ("authorization", f"Bearer {target.token}")
    changed = {
        "a path with lines": {":path": f"/v1/guests/outer HTTP/1.1\r\n\r\n{split}"},
        "a path with a space": {":path": "/v1/guests/a HTTP/1.1"},
        "an authority with lines": {":authority": f"localhost\r\n{split}"},
        "a method with lines": {":method": f"POST /v1/guests/a HTTP/1.1\r\n{split}"},
        "a relative path": {":path": "v1/guests/outer"},
    }
    more = {
        "a value with lines": ("a", split),
        "a value with a line feed": ("a", "b\nc: d"),
        "a name with lines": ("a\r\nb", "c"),
        "a name with a colon": ("a:b", "c"),
        "a name in capitals": ("Aaa", "b"),
        "a transfer coding": ("transfer-encoding", "chunked"),
        "a connection": ("connection", "transfer-encoding"),
        "a length that lies": ("content-length", "0"),
        "a second path": (":path", HIDDEN),
    }
    attempts = {name: [*(ordinary | change).items(), token] for name, change in changed.items()}
    return attempts | {name: [*ordinary.items(), token, field] for name, field in more.items()}


def smuggle(target: Target, seconds: float) -> dict[str, dict[str, int]]:
    """Everything, again and again until the time is over: name -> how often each status was answered."""
    end = time.monotonic() + seconds
    answered: dict[str, Counter[str]] = {}

    def send_1(name: str, request: bytes) -> None:
        with Line(target) as line:
            line.send(request)
            line.read(1.5)
            statuses = [part[:3].decode() for part in line.received.split(b"HTTP/1.1 ")[1:]]
            answered.setdefault(f"1: {name}", Counter()).update(statuses or ["cut" if line.is_cut else "none"])

    def send_2(name: str, fields: list[tuple[str, str]]) -> None:
        with Http2(target) as line:
            block = Encoder().encode(fields, huffman=False)
            line.put(HeadersFrame(1, block, flags=["END_HEADERS"]), DataFrame(1, _hidden(target), flags=["END_STREAM"]))
            line.read(0.5)
            statuses = list(line.statuses().values())
            answered.setdefault(f"2: {name}", Counter()).update(statuses or ["reset"])

    first = True
    while first or time.monotonic() < end:
        first = False
        with ThreadPoolExecutor(8) as threads:
            running = [threads.submit(send_1, *one) for one in http_1(target).items()]
            running += [threads.submit(send_2, *two) for two in http_2(target).items()]
        for one in running:
            one.result()
    return {name: dict(statuses) for name, statuses in answered.items()}


def pipeline(target: Target) -> int:
    """The control: the same hidden request, sent in the open after another."""
    with Line(target) as line:
        line.send(_outer(target, method=b"GET") + _hidden(target))
        line.read(3)
        return line.received.count(b"HTTP/1.1 200")


def test_a_hidden_request_never_arrives(own: Edge, good: GoodClient, target: Target) -> None:
    seen, runs = good.through(lambda: attack(smuggle, target, seconds=5))
    for name in runs[0]:
        statuses = {status for run in runs for status in run[name]}
        print(f"{name}: {sorted(statuses)}")
        assert "200" not in statuses or name == f"1: {BARE_RETURN}", name
    assert [path for service in own.services.values() for path in service.seen if "hidden" in path] == []
    seen.assert_served()
    assert attack(pipeline, target) == 2  # the control
    assert HIDDEN in own.services["tenant_data"].seen
