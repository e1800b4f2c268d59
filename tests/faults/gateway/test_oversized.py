"""05.3, 05.4: everything too large: headers, addresses, cookies, bodies, chunks, tables; and memory held, not used."""

import resource
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import GoodClient
from support.heap import fullest
from support.upload import steadily_2
from support.wire import Http2, Line, continuation

MIB = 1_048_576
STOPS = 98  # percent of its memory, at which the gateway answers everybody with 503
HELD = "/v1/guests/held"


def _request(target: Target, *lines: str, method: str = "GET", path: str = "/v1/guests/large-one") -> bytes:
    known = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {target.token}"]
    return "\r\n".join([*known, *lines, "", ""]).encode()


def oversized_1(target: Target) -> dict[str, bytes]:
    chunked = _request(target, "Transfer-Encoding: chunked", method="POST")
    return {
        "431 headers": _request(target, *(f"a{number}: x" for number in range(500))),
        "431 header": _request(target, "a: " + "x" * 200_000),
        "431 cookie": _request(target, "Cookie: " + "a=b; " * 40_000),
        "431 address": _request(target, path="/v1/guests?" + "x" * 200_000),
        "413 body": _request(target, f"Content-Length: {MIB + 1}", method="POST") + b"x" * (MIB + 1),
        "413 body of a terabyte": _request(target, f"Content-Length: {MIB * MIB}", method="POST") + b"x" * 4 * MIB,
        "413 chunks of a byte": chunked + b"1\r\nx\r\n" * (MIB + 1),
        "413 sign-in": _request(target, "Content-Length: 20000", method="POST", path="/v1/sessions") + b"x" * 20_000,
    }


def oversized_2(target: Target) -> dict[str, list[bytes]]:
    ordinary = [
        (":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/v1/guests/large-two"),
        ("authorization", f"Bearer {target.token}"),
    ]  # fmt: skip
    crumbs = Encoder().encode([*ordinary, *(("cookie", f"c{number}={'x' * 20}") for number in range(1000))])
    # One entry of almost 4 KiB in the compression table, named again by one byte each: 16 KiB become 60 MiB.
    encoder = Encoder()
    bomb = encoder.encode([*ordinary, ("a", "x" * 3900)]) + b"\xbe" * 15_000
    halves = [crumbs[at : at + 16_000] for at in range(0, len(crumbs), 16_000)]
    return {
        "cookies in crumbs": [
            HeadersFrame(1, halves[0]).serialize(),
            *(continuation(1, half, ends=half is halves[-1]).serialize() for half in halves[1:]),
        ],
        "a bomb of headers": [
            HeadersFrame(1, bomb[:16_000], flags=["END_STREAM"]).serialize(),
            continuation(1, bomb[16_000:], ends=True).serialize(),
        ],
        "a body": [
            HeadersFrame(1, Encoder().encode(ordinary), flags=["END_HEADERS"]).serialize(),
            *([DataFrame(1, b"x" * 16_384).serialize()] * 80),
        ],
    }


def send_too_much(target: Target, seconds: float) -> dict[str, dict[str, int]]:
    end = time.monotonic() + seconds
    answered: dict[str, Counter[str]] = {}

    def send_1(name: str, request: bytes) -> None:
        with Line(target) as line:
            line.send(request)
            line.read(3)
            answered.setdefault(name, Counter())[line.received[9:12].decode() or "cut"] += 1

    def send_2(name: str, frames: list[bytes]) -> None:
        with Http2(target) as line:
            line.send(b"".join(frames))
            line.read(1)
            answered.setdefault(name, Counter())[line.statuses().get(1, "reset")] += 1

    ones, twos = oversized_1(target), oversized_2(target)
    first = True
    while first or time.monotonic() < end:
        first = False
        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(send_1, *one) for one in ones.items()]
            running += [threads.submit(send_2, *two) for two in twos.items()]
        for one in running:
            one.result()
    return {name: dict(statuses) for name, statuses in answered.items()}


def hold_memory(target: Target, connections: int, streams: int) -> int:
    """Bodies that lack their last byte, as many as fit: bytes that were taken from us."""
    held: list[Http2] = []
    sent = 0
    blocks = b"".join(
        DataFrame(1 + 2 * stream, b"x" * 16_384).serialize() for _ in range(60) for stream in range(streams)
    )
    for _ in range(connections):
        line = Http2(target)
        held.append(line)
        line.put(*(line.request(1 + 2 * stream, HELD, method="POST", ends=False) for stream in range(streams)))
        sent += len(blocks) if line.send(blocks) else 0
    time.sleep(2)
    for line in held:
        line.__exit__()
    return sent


def hold_memory_1(target: Target, connections: int, tokens: list[str], *, chunked: bool) -> int:
    """The same with one body on each connection of HTTP/1.1, and the next of `tokens`: how many were told 429."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 200), hard))
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {MIB}"
    body = b"%x\r\n" % MIB * chunked + b"x" * (MIB - 1)

    def open_one(number: int) -> Line:
        return Line(Target(target.port, target.ca, tokens[number % len(tokens)]))

    def hold(line: Line) -> bool:
        return line.send(_request(line.target, length, method="POST", path=HELD) + body)

    with ThreadPoolExecutor(4) as threads:
        held = list(threads.map(open_one, range(connections)))
        list(threads.map(hold, held))  # all at once: handshakes would give the gateway time
    time.sleep(1)
    for line in held:
        line.read(0.001)
        line.__exit__()
    return sum(line.received.startswith(b"HTTP/1.1 429 ") for line in held)


def test_what_is_too_large_is_refused(own: Edge, good: GoodClient, target: Target) -> None:
    seen, runs = good.through(lambda: attack(send_too_much, target, seconds=5))
    for name in runs[0]:
        statuses = {status for run in runs for status in run[name]}
        print(f"{name}: {sorted(statuses)}")
        # A caller who sends on may find himself cut before he has read why.
        assert statuses <= {name[:3] if name[:3].isdigit() else "431", "413", "cut", "reset"}, name
    assert [path for path in own.services["tenant_data"].seen if "large-" in path] == []
    seen.assert_served()


def test_memory_that_is_held_back_is_taken_back(own: Edge, good: GoodClient, target: Target) -> None:
    """Six connections of a hundred bodies each were all of the gateway's memory, and a 503 for everybody.

    An upload that waits for its service holds what an upload may hold, and is not taken for one of them.
    """
    honest = Target(own.stack.port, str(own.stack.ca), own.token(sid="uploader", client_id="good-hotel"))
    with fullest(own) as most, ThreadPoolExecutor(1) as beside:
        upload = beside.submit(steadily_2, honest, "/v1/calls/unread/recordings", 16 * MIB, 1)
        seen, runs = good.through(lambda: attack(hold_memory, target, connections=6, streams=100))
        assert upload.result() == "200"
    print(f"{runs[0] / MIB:.0f} MiB taken of what was offered, memory {most()} % full")
    assert most() < STOPS
    seen.assert_served()


@pytest.mark.parametrize("chunked", [False, True], ids=["told", "chunked"])
@pytest.mark.parametrize(("clients", "share"), [(1, 40), (10, 80)])
def test_memory_is_not_given_to_who_holds_it_back(
    own: Edge, good: GoodClient, target: Target, clients: int, share: int, *, chunked: bool
) -> None:
    """Over HTTP/1.1 the gateway cannot tell who holds how much: what one client, or all of them, may begin has a limit.

    `share`: percent of the memory, what the gateway needs for itself included.
    """
    tokens = [own.token(sid=f"{number}-{chunked}", client_id=f"hotel-{number % clients}") for number in range(20)]
    order = {"connections": 600, "tokens": tokens, "chunked": chunked}
    with fullest(own) as most:
        seen, runs = good.through(lambda: attack(hold_memory_1, target, **order))
    print(f"{runs} of 600 refused, memory {most()} % full")
    assert min(runs) > 0, "nobody met a limit: nothing is shown"
    assert most() <= share
    seen.assert_served()
