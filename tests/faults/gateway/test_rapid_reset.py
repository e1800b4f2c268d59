"""05.4: streams opened and reset at once (CVE-2023-44487), or made to be reset by the gateway (CVE-2025-8671)."""

import time
from collections import Counter
from itertools import count
from typing import Any

from hyperframe.frame import RstStreamFrame, WindowUpdateFrame

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import GoodClient
from support.machine import wait_until
from support.wire import Http2

OFFERED = 400  # streams that one connection tries to open, as fast as it can
LIMIT = 100
CANCEL = 8


def reset_rapidly(target: Target, seconds: float, run: int) -> dict[str, int]:
    """One connection after another; on every second one the gateway has to reset, by a window update of nothing."""
    end = time.monotonic() + seconds
    tally: Counter[str] = Counter()
    while time.monotonic() < end:
        number = tally["connections"]
        tally["connections"] += 1
        kind = "made" if number % 2 else "rapid"
        with Http2(target) as line:
            for stream in range(1, 2 * OFFERED, 2):
                broken = WindowUpdateFrame(stream, window_increment=0)
                if kind == "rapid":
                    broken = RstStreamFrame(stream, error_code=CANCEL)
                if not line.put(line.request(stream, f"/v1/guests/{kind}-{run}-{number}", ends=False), broken):
                    break
            tally["cut"] += line.is_cut_within(10)
    return dict(tally)


def test_a_connection_is_cut_within_a_hundred_streams(own: Edge, good: GoodClient, target: Target) -> None:
    runs = count()
    seen, tallies = good.through(lambda: attack(reset_rapidly, target, seconds=5, run=next(runs)))
    connections = sum(tally["connections"] for tally in tallies)
    assert sum(tally["cut"] for tally in tallies) == connections >= 2
    streams: Counter[Any] = Counter()

    def all_noted() -> bool:
        streams.clear()
        streams.update(entry["path"] for kind in ("rapid-", "made-") for entry in own.noted(f"/v1/guests/{kind}"))
        return len(streams) == connections

    wait_until(all_noted, within=15, what="the access log")
    print(f"{connections} connections, streams until the cut: {max(streams.values())} at most")
    assert max(streams.values()) <= LIMIT
    seen.assert_served()
