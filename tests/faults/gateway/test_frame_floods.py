"""05.4: HTTP/2 frames that cost their sender nothing: settings, pings, priorities, windows, empty data, empty headers.

CVE-2019-9511 to CVE-2019-9518. Settings and pings whose answers are read are HTTP: answered, and harming nobody.
"""

import time
from collections import Counter
from collections.abc import Callable

from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from support.attacker import Target, attack
from support.good_client import GoodClient
from support.wire import Http2

_FRAMES: dict[str, Callable[[int], Frame]] = {
    "settings": lambda number: SettingsFrame(0, settings={4: 65_535 + number % 5}),
    "ping": lambda number: PingFrame(0, opaque_data=b"12345678"),
    "priority": lambda number: PriorityFrame(1, stream_weight=number % 200),
    "window": lambda number: WindowUpdateFrame(0, window_increment=1),
    "empty data": lambda number: DataFrame(1, b""),
    "empty headers": lambda number: HeadersFrame(3 + 2 * number, b"", flags=["END_HEADERS"]),
}
_OFFERED = 2000  # frames on one connection
OFTEN = {"settings": 20, "ping": 20}  # times as many: the kernel takes in a megabyte of answers before one lies unread
_CUT = 10.0  # seconds; the gateway itself waits for one, for a caller who would read why


def flood(target: Target, seconds: float, kinds: list[str], *, reads: bool) -> dict[str, dict[str, int]]:
    """Each kind in turn, on connections of their own, until the time is over."""
    tallies = {kind: Counter[str]() for kind in kinds}
    floods = {
        kind: [_FRAMES[kind](number).serialize() for number in range(_OFFERED)] * OFTEN.get(kind, 1) for kind in kinds
    }
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind in kinds:
            tallies[kind].update(_flood_once(target, floods[kind], reads=reads))
    return {kind: dict(tally) for kind, tally in tallies.items()}


def _flood_once(target: Target, frames: list[bytes], *, reads: bool) -> dict[str, int]:
    # Answers that nobody reads pile up in the gateway only when the kernel does not take them in.
    with Http2(target, room=None if reads else 4096) as line:
        line.put(line.request(1, "/v1/guests/flood", method="POST", ends=False))
        at_once = 500 if reads else len(frames)
        sent = 0
        while sent < len(frames) and line.send(b"".join(frames[sent : sent + at_once])):
            sent += at_once
            if reads:
                line.read(0.001)
        return {"connections": 1, "cut": line.is_cut_within(0.1 if reads else _CUT), "frames": sent}


def test_a_flood_is_cut(good: GoodClient, target: Target) -> None:
    kinds = list(_FRAMES)
    seen, runs = good.through(lambda: attack(flood, target, seconds=5, kinds=kinds, reads=False))
    for kind in kinds:
        tallies = [run[kind] for run in runs]
        print(f"{kind}: {tallies}")
        assert all(tally["cut"] == tally["connections"] >= 1 for tally in tallies), kind
    seen.assert_served()


def test_what_is_answered_harms_nobody(good: GoodClient, target: Target) -> None:
    seen, runs = good.through(lambda: attack(flood, target, seconds=5, kinds=["settings", "ping"], reads=True))
    assert sum(tally["frames"] for run in runs for tally in run.values()) >= _OFFERED
    seen.assert_served()
