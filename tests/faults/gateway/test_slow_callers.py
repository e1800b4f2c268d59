"""05.4: callers who send or read a byte now and then, or never finish their handshake (slowloris and its kin)."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import GoodClient
from support.machine import wait_until
from support.wire import Http2, Line

EACH = 15  # callers of each kind
EVERY = 0.5  # seconds between two bytes
LIMIT = 5.0  # seconds until a request, or a handshake, must be there
UNREAD = 20.0  # seconds that an answer may lie unread
TIMERS = 2.0  # seconds that timers of a busy machine may be late
_MOST = 30


def _authorized(target: Target, *lines: str) -> bytes:
    return "\r\n".join([*lines, "Host: localhost", f"Authorization: Bearer {target.token}", "", ""]).encode()


def _drip(line: Line, piece: bytes) -> str:
    """Sends `piece` again and again until an answer comes; its first line, or its status."""
    end = time.monotonic() + _MOST
    while time.monotonic() < end and not line.is_cut:
        line.send(piece)
        line.read(EVERY)
        if isinstance(line, Http2) and (statuses := line.statuses()):
            return statuses[1]
        if line.received.startswith(b"HTTP/1.1"):
            return line.received[9:12].decode()
    return "cut" if line.is_cut else "never"


def headers(target: Target) -> str:
    with Line(target) as line:
        line.send(b"GET /v1/guests HTTP/1.1\r\nHost: localhost\r\n")
        return _drip(line, b"a: b\r\n")


def headers_2(target: Target) -> str:
    with Http2(target) as line:
        line.put(HeadersFrame(1, line.encoded("/v1/guests/slow")))
        return _drip(line, ContinuationFrame(1, b"\x00\x01a\x01b").serialize())


def body(target: Target) -> str:
    with Line(target) as line:
        line.send(_authorized(target, "POST /v1/guests HTTP/1.1", "Content-Length: 1000"))
        return _drip(line, b"x")


def chunks(target: Target) -> str:
    with Line(target) as line:
        line.send(_authorized(target, "POST /v1/guests HTTP/1.1", "Transfer-Encoding: chunked"))
        return _drip(line, b"1\r\nx\r\n")


def body_2(target: Target) -> str:
    with Http2(target) as line:
        line.put(line.request(1, "/v1/guests/slow", method="POST", ends=False))
        return _drip(line, DataFrame(1, b"x").serialize())


def body_that_asks_for_time(target: Target) -> str:
    """By the header in which the gateway itself says how long a whole request may take."""
    with Line(target) as line:
        line.send(_authorized(target, "POST /v1/guests HTTP/1.1", "Content-Length: 1000", "grpc-timeout: 1H"))
        return _drip(line, b"x")


def body_to_nowhere(target: Target) -> str:
    with Line(target) as line:
        line.send(_authorized(target, "POST /v1/nowhere HTTP/1.1", "Content-Length: 1000"))
        return _drip(line, b"x")


def body_without_token(target: Target) -> str:
    with Line(target) as line:
        line.send(b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        return _drip(line, b"x")


def handshake(target: Target, hello: bytes = b"") -> str:
    with socket.create_connection(("127.0.0.1", target.port)) as plain:
        plain.sendall(hello)
        plain.settimeout(_MOST)
        try:
            return "cut" if not plain.recv(1) else "answered"
        except TimeoutError:
            return "never"
        except OSError:
            return "cut"


def half_a_handshake(target: Target) -> str:
    return handshake(target, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50)


SENDERS: dict[Callable[[Target], str], str] = {
    headers: "408",
    headers_2: "408",
    body: "408",
    chunks: "408",
    body_2: "408",
    body_that_asks_for_time: "408",
    body_to_nowhere: "408",
    body_without_token: "408",
    handshake: "cut",
    half_a_handshake: "cut",
}


def send_slowly(target: Target) -> dict[str, list[tuple[str, float]]]:
    """How each ended, and after how many seconds."""

    def timed(sender: Callable[[Target], str]) -> tuple[str, float]:
        began = time.monotonic()
        return sender(target), time.monotonic() - began

    with ThreadPoolExecutor(EACH * len(SENDERS)) as threads:
        running = {sender.__name__: [threads.submit(timed, sender) for _ in range(EACH)] for sender in SENDERS}
    return {name: [one.result() for one in all_of] for name, all_of in running.items()}


def never_read(target: Target) -> int:
    """Large answers are asked for, over HTTP/1 and with an HTTP/2 window of nothing, and left where they are."""

    def unread(number: int) -> None:
        with Line(target, room=4096) as line:
            line.send(_authorized(target, f"GET /v1/guests/unread-{number}/large HTTP/1.1"))
            time.sleep(UNREAD + 3)

    def unread_2(number: int) -> None:
        with Http2(target, {4: 0}) as line:
            line.put(line.request(1, f"/v1/guests/unread-two-{number}/large"))
            time.sleep(UNREAD + 3)

    with ThreadPoolExecutor(2 * EACH) as threads:
        for number in range(EACH):
            threads.submit(unread, number)
            threads.submit(unread_2, number)
    return 2 * EACH


def test_slow_callers_are_cut(own: Edge, good: GoodClient, target: Target) -> None:
    """Senders within five seconds, readers within twenty, all of them at once."""
    with ThreadPoolExecutor(1) as beside:

        def both() -> tuple[dict[str, list[tuple[str, float]]], int]:
            readers = beside.submit(attack, never_read, target)
            return attack(send_slowly, target), readers.result()

        seen, runs = good.through(both)
    ends = {name: [tuple(end) for senders, _ in runs for end in senders[name]] for name in runs[0][0]}
    for sender, expected in SENDERS.items():
        name = sender.__name__
        print(f"{name}: {expected} after {max(after for _, after in ends[name]):.1f} s at most")
        assert {end for end, _ in ends[name]} == {expected}, name
        assert max(after for _, after in ends[name]) <= LIMIT + EVERY + TIMERS, name
    readers = sum(number for _, number in runs)
    wait_until(lambda: len(own.noted("/v1/guests/unread")) == readers, within=15, what="the access log")
    longest = max(entry["ms"] for entry in own.noted("/v1/guests/unread"))
    print(f"{readers} readers, {longest} ms at most")
    assert longest <= 1000 * (UNREAD + TIMERS)
    seen.assert_served()
