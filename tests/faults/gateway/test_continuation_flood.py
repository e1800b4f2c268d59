"""05.4: headers that never end (CVE-2024-30255): CONTINUATION after CONTINUATION, full, empty, or of one byte."""

import time
from collections import Counter

from hyperframe.frame import HeadersFrame

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import GoodClient
from support.wire import Http2, continuation

OFFERED = 20_000  # frames; the gateway takes 16 KiB of headers, and is not asked how they are cut up
READ = 1_048_576  # bytes that the gateway may have read of a connection: its limit, and what one look brings


def never_end_headers(target: Target, seconds: float) -> dict[str, int]:
    end = time.monotonic() + seconds
    tally: Counter[str] = Counter()
    field = b"\x00\x01a\x7f\x81\x07" + b"x" * 1024  # RFC 7541 6.2.2: literal, never indexed by us, 1 KiB
    blocks = {"full": field * 8, "empty": b"", "small": b"\x00\x01a\x01b"}
    while time.monotonic() < end:
        for kind, block in blocks.items():
            tally["connections"] += 1
            with Http2(target) as line:
                line.put(HeadersFrame(1, line.encoded(f"/v1/guests/endless-{kind}")))
                for _ in range(OFFERED):
                    if not line.put(continuation(1, block)):
                        break
                tally["cut"] += line.is_cut_within(10)
    return dict(tally)


def test_a_connection_is_cut_where_headers_are_too_long(own: Edge, good: GoodClient, target: Target) -> None:
    heap = own.statistic("server.memory_allocated")
    seen, tallies = good.through(lambda: attack(never_end_headers, target, seconds=5))
    for tally in tallies:
        assert tally["cut"] == tally["connections"] >= 3
    assert [entry for entry in own.noted("/v1/guests/endless") if entry["status"] == 200] == []
    assert own.statistic("server.memory_allocated") - heap < 32 * READ
    seen.assert_served()
