"""05.3, 05.4: audio comes in for as long as it flows: who holds it back is cut, who sends too much is refused (ADR 14).

The gateway holds next to nothing of it, and so many at once that readers keep their place.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hyperframe.frame import DataFrame

from support.attacker import Target, attack
from support.edge import FLOWS, UNREAD, Edge
from support.good_client import GoodClient
from support.heap import fullest
from support.machine import wait_until
from support.sink import sink
from support.upload import request, steadily, steadily_2
from support.wire import Http2, Line

MIB = 1_048_576
GIB = 1024 * MIB
EACH = 4  # uploads of each kind; a session may begin twenty at once
IDLE, LEAST = 30.0, 60.0  # seconds until an upload is cut that stands still, or that is slower than 64 KiB a second
TIMERS = 2.0  # seconds that timers of a busy machine may be late
STEADY = 35.0  # seconds that a good upload takes
AT_ONCE = 160  # uploads of all callers: 128 flow, 32 wait
SESSION, CLIENT = 20, 40  # uploads begun at once, with 2 and 4 more a second
FULL = 15  # percent of the memory, what the gateway needs for itself included
PATH = "/v1/calls/{}/recordings"


def _told(line: Line, seconds: float, piece: bytes = b"") -> str:
    """The status within `seconds`; meanwhile `piece` is sent twice a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not line.is_cut and not line.received.startswith(b"HTTP/1.1"):
        line.send(piece)
        line.read(0.5)
        if isinstance(line, Http2) and (statuses := line.statuses()):
            return statuses[1]
    return line.received[9:12].decode() or ("cut" if line.is_cut else "never")


def idle(target: Target) -> str:
    with Line(target) as line:
        line.send(request(target, PATH.format("idle"), "Content-Length: 1000000") + b"x")
        return _told(line, IDLE + 10)


def idle_2(target: Target) -> str:
    with Http2(target) as line:
        line.put(line.request(1, PATH.format("idle-two"), method="POST", ends=False), DataFrame(1, b"x"))
        return _told(line, IDLE + 10)


def drip(target: Target) -> str:
    with Line(target) as line:
        line.send(request(target, PATH.format("drip"), "Content-Length: 1000"))
        return _told(line, LEAST + 10, b"x")


def drip_2(target: Target) -> str:
    with Http2(target) as line:
        length = ("content-length", "1000")
        line.put(line.request(1, PATH.format("drip-two"), length, method="POST", ends=False))
        return _told(line, LEAST + 10, DataFrame(1, b"x").serialize())


def drip_without_token(target: Target) -> str:
    stranger = Target(target.port, target.ca, "")
    with Line(stranger) as line:
        line.send(request(stranger, PATH.format("stranger"), "Content-Length: 1000"))
        return _told(line, LEAST, b"x")


SENDERS: dict[Callable[[Target], str], tuple[str, float]] = {
    idle: ("408", IDLE),
    idle_2: ("408", IDLE),
    drip: ("408", LEAST),
    drip_2: ("408", LEAST),
    drip_without_token: ("401", 0.0),
}


def hold_back(target: Target) -> dict[str, list[tuple[str, float]]]:
    """How each ended, and after how many seconds."""

    def timed(sender: Callable[[Target], str]) -> tuple[str, float]:
        began = time.monotonic()
        return sender(target), time.monotonic() - began

    with ThreadPoolExecutor(EACH * len(SENDERS)) as threads:
        running = {sender.__name__: [threads.submit(timed, sender) for _ in range(EACH)] for sender in SENDERS}
    return {name: [one.result() for one in all_of] for name, all_of in running.items()}


def upload_steadily(target: Target) -> dict[str, str]:
    """The good ones beside them: slower than any other body may be, and as fast as an upload has to be."""
    with ThreadPoolExecutor(3) as threads:
        running = {
            "told": threads.submit(steadily, target, PATH.format("told"), 4 * MIB, STEADY, told=True),
            "chunked": threads.submit(steadily, target, PATH.format("chunked"), 4 * MIB, STEADY, told=False),
            "two": threads.submit(steadily_2, target, PATH.format("two"), 4 * MIB, STEADY),
        }
    return {name: one.result() for name, one in running.items()}


def begin_many(target: Target, tokens: list[str], each: int) -> dict[str, int]:
    """Uploads that nobody reads, `each` with every one of `tokens`: 1 MiB is sent of each, and then it waits."""

    def begin(number: int) -> Line:
        line = Line(Target(target.port, target.ca, tokens[number % len(tokens)]))
        line.send(request(line.target, PATH.format("unread"), f"Content-Length: {2 * MIB}"))
        line.send(b"x" * MIB)
        return line

    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        held = list(threads.map(begin, range(each * len(tokens))))
    took = time.monotonic() - began
    statuses: Counter[str] = Counter()
    for line in held:
        line.read(0.01)
        statuses[line.received[9:12].decode() or ("cut" if line.is_cut else "held")] += 1
        line.__exit__()
    return {**statuses, "seconds": round(took)}


def send_without_end(target: Target) -> str:
    """Chunks of 1 MiB, from one and the same, past 2 GiB."""
    chunk = b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
    with Line(target) as line:
        line.send(request(target, PATH.format("endless"), "Transfer-Encoding: chunked"))
        for _ in range(2 * GIB // MIB + 8):
            if not line.send(chunk):
                break
        return _told(line, 2)


def test_who_holds_back_is_cut_and_who_sends_is_not(own: Edge, good: GoodClient, target: Target) -> None:
    honest = Target(own.stack.port, str(own.stack.ca), own.token(sid="uploader", client_id="good-hotel"))
    with ThreadPoolExecutor(2) as beside, own.client() as http:

        def all_of_it() -> tuple[dict[str, list[tuple[str, float]]], dict[str, str], int]:
            uploads = beside.submit(attack, upload_steadily, honest)
            play = beside.submit(http.get, "/v1/recordings/slowly/audio", headers=own.bearer(sid="player"))
            return attack(hold_back, target), uploads.result(), len(play.result().content)

        seen, runs = good.through(all_of_it)
    for sender, (expected, limit) in SENDERS.items():
        ends = [tuple(end) for senders, _, _ in runs for end in senders[sender.__name__]]
        print(f"{sender.__name__}: {expected} after {max(after for _, after in ends):.1f} s at most")
        assert {end for end, _ in ends} == {expected}, sender.__name__
        assert limit - 1 <= max(after for _, after in ends) <= limit + 0.5 + TIMERS, sender.__name__
    for _, uploads, played in runs:
        assert uploads == {"told": "200", "chunked": "200", "two": "200"}
        assert played == 1000 * FLOWS
    assert [path for path in own.services["recording_storage"].seen if "stranger" in path] == []
    seen.assert_served()


@pytest.mark.parametrize(("clients", "sessions"), [(1, 1), (1, 3), (8, 16)], ids=["session", "client", "all"])
def test_so_many_at_once_and_no_more(own: Edge, good: GoodClient, target: Target, clients: int, sessions: int) -> None:
    names = [f"{clients}-{sessions}-{number}" for number in range(sessions)]
    tokens = [own.token(sid=name, client_id=f"{clients}-{sessions}-{at % clients}") for at, name in enumerate(names)]
    with fullest(own) as most:
        seen, runs = good.through(lambda: attack(begin_many, target, tokens=tokens, each=60 // min(sessions, 3)))
    print(f"{runs}, memory {most()} % full")
    assert most() <= FULL
    for run in runs:
        begun = min(SESSION * sessions + 2 * sessions * run["seconds"], CLIENT * clients + 4 * clients * run["seconds"])
        assert 0 < run["held"] <= min(begun + 2, AT_ONCE)
        assert run.get("429", 0) + run.get("503", 0) > 0
    seen.assert_served()
    # Who left frees his place: the next is let in.
    honest = Target(own.stack.port, str(own.stack.ca), own.token(sid=f"next-{clients}-{sessions}", client_id="next"))
    wait_until(
        lambda: steadily(honest, PATH.format("next"), 1000, 0.5, told=True) == "200", within=UNREAD + 5, what="a place"
    )


def test_past_two_gibibytes_it_is_refused(own: Edge, target: Target) -> None:
    with Line(target) as line:
        line.send(request(target, PATH.format("too-long"), f"Content-Length: {2 * GIB + 1}"))
        assert _told(line, 2) == "413"
    with fullest(own) as most, sink(own, "recording_storage"):
        assert attack(send_without_end, target) in {"413", "cut"}
    assert most() <= FULL
    wait_until(lambda: own.noted(PATH.format("endless")) != [], within=15, what="the access log")
    (entry,) = own.noted(PATH.format("endless"))
    assert (entry["status"], entry["why"]) == (413, "request_payload_too_large")
    assert 2 * GIB <= entry["bytes_in"] <= 2 * GIB + 4 * MIB
    # Envoy's own line about it would carry the caller's address.
    assert "127.0.0.1:" not in (own.stack.run / "envoy.log").read_text()
