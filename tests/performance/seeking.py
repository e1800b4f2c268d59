"""Ranges of a long recording: how soon the first byte comes, what is read of the store for one, and whether all equal
the source."""

import asyncio
import math
import random
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPSConnection

from performance.figure import Figure
from performance.load import middle
from performance.source import Source
from performance.stage import kernel_count, metrics
from recording_storage.segment import SEGMENT, sealed_length
from support.hotel import Hotel
from support.machine import Machine
from support.recordings import MIB, SERVICE

RANGE = 64 * 1024  # bytes of a seek
SEEKS = 1_000  # at the start, and as many anywhere
WARM = 50
READS = 100  # ranges of which each is counted by itself
RANGES = 500
LONGEST = 4 * MIB  # bytes of a range that is compared
_SEED = 5


class Ear:
    """One listener on one connection through the gateway."""

    def __init__(self, line: HTTPSConnection, hotel: Hotel, recording_id: str, source: Source) -> None:
        self.source = source
        self._line = line
        self._hotel = hotel
        self._path = f"/v1/recordings/{recording_id}/audio"

    def hear(self, first: int, length: int) -> tuple[float, bool]:
        """Plays a range: seconds until its first byte, and whether it equals the source."""
        last = min(first + length, self.source.length) - 1
        headers = {"Authorization": f"Bearer {self._hotel.agent.token}", "Range": f"bytes={first}-{last}"}
        began = time.perf_counter()
        self._line.request("GET", self._path, headers=headers)
        answer = self._line.getresponse()
        start = answer.read(1)
        took = time.perf_counter() - began
        body = start + answer.read()
        assert answer.status == 206, f"a range was answered {answer.status}: {body[:300]!r}"
        told = answer.getheader("Content-Range") == f"bytes {first}-{last}/{self.source.length}"
        return took, told and body == self.source.at(first, last + 1 - first)


async def measure(stack: Machine, hotel: Hotel, source: Source, recording_id: str) -> list[Figure]:
    with _listening(stack, hotel, source, recording_id) as ear:
        return [
            await asyncio.to_thread(_soon, ear),
            await _read(stack, ear),
            await asyncio.to_thread(_equal, ear),
        ]


@contextmanager
def _listening(stack: Machine, hotel: Hotel, source: Source, recording_id: str) -> Iterator[Ear]:
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    with closing(HTTPSConnection("localhost", stack.port_of("gateway"), timeout=30, context=context)) as line:
        yield Ear(line, hotel, recording_id, source)


def _soon(ear: Ear) -> Figure:
    """In turn, so that whatever else the machine does falls on both."""
    chance = random.Random(_SEED)
    anywhere, start = [], []
    for number in range(WARM + SEEKS):
        pair = ear.hear(0, RANGE)[0], ear.hear(chance.randrange(ear.source.length - RANGE), RANGE)[0]
        if number >= WARM:
            start.append(pair[0])
            anywhere.append(pair[1])
    ours, theirs = sorted(anywhere), sorted(start)
    p99 = int(SEEKS * 0.99)
    return Figure(
        f"first byte of a range anywhere in {ear.source.size} against one at its start, p99",
        ours[p99] / theirs[p99], 1.5,
        f"{SEEKS} ranges of 64 KiB from anywhere and as many from the start, in turn, one connection through the"
        f" gateway: anywhere p50 {middle(ours) * 1000:.1f} ms, p99 {ours[p99] * 1000:.1f} ms; at the start p50"
        f" {middle(theirs) * 1000:.1f} ms, p99 {theirs[p99] * 1000:.1f} ms. It was uploaded just before, so all of it"
        " is in the kernel's cache",
        is_ceiling=True, unit="×", axes=("answers, fastest first", "milliseconds"),
        series={"anywhere": [one * 1000 for one in ours], "at the start": [one * 1000 for one in theirs]},
    )  # fmt: skip


async def _read(stack: Machine, ear: Ear) -> Figure:
    """Counted, not computed: the service counts the bytes that its zones gave, the kernel all that the process read."""
    chance, segments = random.Random(_SEED), ear.source.length // SEGMENT
    within = [chance.randrange(segments) * SEGMENT + chance.randrange(SEGMENT - RANGE) for _ in range(READS)]
    across = [chance.randrange(1, segments) * SEGMENT - chance.randrange(1, RANGE) for _ in range(READS // 5)]
    pid = stack.pid(SERVICE)
    before = kernel_count(pid, "io", "rchar")
    counted = [await _stored(stack, ear, first) for first in within]
    in_all = (kernel_count(pid, "io", "rchar") - before) / READS
    assert in_all >= middle(counted), f"the service counts {middle(counted)} bytes, and the kernel only {in_all}"
    most = sealed_length(SEGMENT)
    return Figure(
        "read from the store for a range of 64 KiB", max(counted) / MIB, most / MIB,
        f"the most of {READS} ranges anywhere within a segment of {ear.source.size}, each by itself, as"
        f" `konci_zone_bytes` counts what both zones gave: {max(counted):.0f} bytes; one segment with its header and"
        f" tags has {most}. The kernel counts {in_all:.0f} bytes for each in all that the process reads, sockets"
        f" among it (rchar). Of {len(across)} ranges over a border, which are not in the figure, the most was"
        f" {max([await _stored(stack, ear, first) for first in across]):.0f} bytes, of two segments",
        is_ceiling=True, unit=" MiB",
    )  # fmt: skip


async def _stored(stack: Machine, ear: Ear, first: int) -> float:
    before = await _given(stack)
    _, is_equal = await asyncio.to_thread(ear.hear, first, RANGE)
    assert is_equal, f"64 KiB from {first} on differ from the source"
    return await _given(stack) - before


async def _given(stack: Machine) -> float:
    """Bytes that the zones gave to the service since it started."""
    told = await metrics(stack, SERVICE)
    return sum(value for name, value in told.items() if name.startswith("konci_zone_bytes_total{") and '"read"' in name)


def _equal(ear: Ear) -> Figure:
    chance = random.Random(_SEED)
    heard, differing = 0, 0
    for _ in range(RANGES):
        # As many of bytes as of megabytes.
        length = round(math.exp(chance.uniform(0, math.log(min(LONGEST, ear.source.length)))))
        first = chance.randrange(ear.source.length - length + 1)
        differing += not ear.hear(first, length)[1]
        heard += length
    return Figure(
        f"differences from the source in {RANGES} random ranges of {ear.source.size}", differing, 0,
        f"seeded ranges of 1 byte to {min(LONGEST, ear.source.length) // MIB} MiB through the gateway,"
        f" {heard / MIB:.0f} MiB in all, each compared with the source and its `Content-Range` with what was asked;"
        " the source is AES's key stream, so that no two places are alike",
        is_ceiling=True,
    )  # fmt: skip
