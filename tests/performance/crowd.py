"""What the service holds while twenty uploads and twenty plays of a long recording go on at once."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2

from performance.figure import Figure
from performance.source import Source
from performance.stage import forget_peak, kernel_count, memory, metrics
from performance.stream import Order, Seen, Waiting, connected, moved, rate
from support.hotel import Hotel
from support.machine import Machine
from support.recordings import MIB, SERVICE

UPLOADS = PLAYS = 20  # as many as one client has at once
BOUND = 200.0  # MiB
_QUIET = 10.0  # seconds after its start: what a start reads and throws away is not growth
_LOOK = 0.5  # seconds
_TOLD = 10.0  # seconds between two lines of progress
_LATER = 2.0  # seconds after a refusal for want of a place


@dataclass
class _Course:
    """One run: what ended how, and what the service held meanwhile."""

    pid: int
    before: dict[str, int]
    uploads: list[Seen] = field(default_factory=list)
    plays: list[Seen] = field(default_factory=list)
    refused: int = 0  # plays that were told to come later, and did
    held: list[tuple[float, float]] = field(default_factory=list)  # growth in MiB: Rss, Anonymous
    is_over: bool = False

    def look(self) -> None:
        now = memory(self.pid)
        self.held.append(((now["Rss"] - self.before["Rss"]) / MIB, (now["Anonymous"] - self.before["Anonymous"]) / MIB))

    @property
    def growth(self) -> float:
        """MiB of Rss at most: the kernel's own mark, which misses nothing between two looks."""
        mark = kernel_count(self.pid, "status", "VmHWM") * 1024
        return (mark - self.before["Rss"]) / MIB


async def measure(stack: Machine, hotel: Hotel, source: Source, recording_id: str) -> list[Figure]:
    """From a fresh start of the service until the last upload has ended; a play that ends before begins anew."""
    await asyncio.to_thread(stack.stop, SERVICE)
    await asyncio.to_thread(stack.up)
    calls = [hotel.call()["id"] for _ in range(UPLOADS)]
    await asyncio.sleep(_QUIET)
    pid = stack.pid(SERVICE)
    forget_peak(pid)
    course = _Course(pid, memory(pid))
    ups = [_order(stack, source, f"/v1/calls/{call_id}/recordings", is_upload=True) for call_id in calls]
    down = _order(stack, source, f"/v1/recordings/{recording_id}/audio", is_upload=False)
    async with connected([*ups, *[down] * PLAYS]) as waiting, asyncio.TaskGroup() as group:
        group.create_task(_watch(stack, course))
        for one in waiting[UPLOADS:]:
            group.create_task(_play(hotel, course, down, one))
        course.uploads = await asyncio.gather(*(one.begin(hotel.agent.token) for one in waiting[:UPLOADS]))
        course.is_over = True
    assert stack.pid(SERVICE) == pid, "the service was started anew meanwhile"
    return [_figure(source, course, await metrics(stack, SERVICE))]


def _order(stack: Machine, source: Source, path: str, *, is_upload: bool) -> Order:
    ca, port = str(stack.run / "ca.pem"), stack.port_of("gateway")
    return Order(ca, port, path, source.seed, source.length, is_upload)


async def _play(hotel: Hotel, course: _Course, order: Order, first: Waiting) -> None:
    """Again and again, each with a token that is fresh when it begins: it may end long after the token has."""
    seen = await first.begin(hotel.agent.token)
    while True:
        if seen.status in (429, 503):  # the place of the one before is given back a moment after its end
            course.refused += 1
            await asyncio.sleep(_LATER)
        else:
            course.plays.append(seen)
        if course.is_over:
            return
        [seen] = await moved([order], lambda: hotel.agent.token)


async def _watch(stack: Machine, course: _Course) -> None:
    began = told_at = time.monotonic()
    while not course.is_over:
        course.look()
        if time.monotonic() - told_at >= _TOLD:
            told_at = time.monotonic()
            rss, own = course.held[-1]
            print(
                f"  {told_at - began:.0f} s: {await _moved(stack)}, {len(course.plays)} plays have ended;"
                f" Rss +{rss:.0f} MiB, Anonymous +{own:.0f} MiB",
                flush=True,
            )
        await asyncio.sleep(_LOOK)


async def _moved(stack: Machine) -> str:
    """What its zones took and gave since its start, as the service counts it."""
    try:
        told = await metrics(stack, SERVICE)
    except httpx2.TransportError:
        return "no answer to what it has moved"
    written, read = (
        sum(value for name, value in told.items() if name.startswith("konci_zone_bytes_total{") and operation in name)
        for operation in ('"write"', '"read"')
    )
    return f"{written / 2**30:.1f} GiB written to both zones, {read / 2**30:.1f} read"


def _figure(source: Source, course: _Course, told: dict[str, float]) -> Figure:
    failed = wrong(course.uploads, course.plays)
    before = {name: value / MIB for name, value in course.before.items()}
    rss, own = ([values[at] for values in course.held] for at in (0, 1))
    return Figure(
        f"memory of {SERVICE}, growth with {UPLOADS} uploads and {PLAYS} plays of {source.size} at once",
        float("inf") if failed else course.growth,  # of a crowd that broke up nothing is shown
        BOUND,
        f"Rss from {before['Rss']:.0f} MiB, {_QUIET:g} s after its start, to {before['Rss'] + course.growth:.0f} at"
        f" most (the kernel's mark, VmHWM); memory of its own (Anonymous) from {before['Anonymous']:.0f} MiB to"
        f" {before['Anonymous'] + max(own):.0f}, looked at each {_LOOK:g} s; {_traffic(course, told)}{failed}",
        is_ceiling=True, unit=" MiB", axes=("looks", "MiB more"),
        series={"Rss": _thinned(rss), "Anonymous": _thinned(own)},
    )  # fmt: skip


def wrong(uploads: Sequence[Seen], plays: Sequence[Seen]) -> str:
    """What speaks against the crowd, for the figure's text; nothing when all went well."""
    met = Counter(one.said for one in (*uploads, *plays) if not one.is_right)
    if len(uploads) < UPLOADS or len(plays) < PLAYS:
        met["too few"] += 1
    return "".join(f"; {count} ended otherwise: {what}" for what, count in met.items())


def _traffic(course: _Course, told: dict[str, float]) -> str:
    seconds = max(one.ended for one in course.uploads) - min(one.began for one in course.uploads)
    played = sum(one.moved for one in course.plays)
    alone = sum(value for name, value in told.items() if name.startswith("konci_zone_degraded_writes_total{"))
    return (
        f"{seconds:.0f} s through the gateway by {UPLOADS + PLAYS} processes, uploads with"
        f" {rate(course.uploads) / MIB:.0f} MiB/s and {len(course.plays)} plays of {played / 2**30:.1f} GiB in all,"
        " each byte as in the source; a play that ended before the last upload began anew"
        f" ({course.refused} times it was told to come later). {alone:.0f} objects were written to one zone alone"
    )


def _thinned(values: list[float]) -> list[float]:
    return values[:: max(len(values) // 500, 1)]
