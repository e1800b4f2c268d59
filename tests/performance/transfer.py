"""Audio up and down through the gateway, against the same bytes through the same gateway and a bare server."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from performance.bare_gateway import Bare, bare
from performance.figure import Figure
from performance.load import middle
from performance.source import Source
from performance.stage import drained, is_stored, processor_seconds, processor_seconds_of
from performance.stream import Order, Seen, moved, rate
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB

STREAMS = 4
ROUNDS = 7
_SEED = 1
_ERASED = 60.0  # seconds until the objects of what was deleted are gone
_UPLOAD_REST = (
    "Each MiB is hashed, sealed, and then written to two zones and synced in each before the next is sealed; the bare"
    " sink writes one copy and syncs once. Profiled (perf), most of the service's processor goes into the kernel's"
    " copying of both copies into its cache, then hashing and sealing, then Python's taking in of the request. It is a"
    " WAV: its samples are passed over, where the frames of the other types are looked at one by one. All of it runs on"
    " the two cores that the load runs on."
)
_PLAY_REST = (
    "Each MiB is read whole, held until all of it is authenticated, and only then handed on; before the first byte the"
    " admission is committed and before the last one the outcome. All of it runs on the two cores that the"
    " load runs on."
)


@dataclass
class _Windows:
    """What was measured of one way; the first round warms up and is not in it."""

    rates: list[tuple[float, float]] = field(default_factory=list)  # bytes a second, ours and bare
    spent: list[tuple[float, ...]] = field(default_factory=list)  # seconds of processor for a byte: see `_spent`

    def figure(self, what: str, against: str, how: str, length: int, rest: str) -> Figure:
        ours, theirs = ([rate / MIB for rate in side] for side in zip(*self.rates, strict=True))
        ms = [middle(side) * MIB * 1000 for side in zip(*self.spent, strict=True)]
        return Figure(
            f"recordings {what} through the gateway against {against}",
            middle([own / bare for own, bare in self.rates]), 0.5,
            f"median of {len(self.rates)} pairs of windows, each {STREAMS} streams of {length // MIB} MiB at once with"
            f" one client's token, over HTTP/1.1 and TLS 1.3: {middle(ours):.0f} MiB/s, bare {middle(theirs):.0f}"
            f" MiB/s; {how}; milliseconds of processor for a MiB: service {ms[0]:.1f}, gateway {ms[1]:.1f}, PostgreSQL"
            f" {ms[2]:.1f}; bare server {ms[3]:.1f}, its gateway {ms[4]:.1f}",
            series={"recordings": ours, "bare": theirs}, axes=("window", "MiB per second"), rest=rest,
        )  # fmt: skip


async def measure(stack: Machine, hotel: Hotel, length: int) -> list[Figure]:
    """Windows of both in turn, so that whatever else the machine does falls on both."""
    source = Source(_SEED, length)
    calls = [hotel.call()["id"] for _ in range(STREAMS)]
    async with bare(stack, hotel, source) as beside:
        uploads, made = await _uploads(stack, hotel, beside, source, calls)
        plays = await _plays(stack, hotel, beside, source, made[0])
    await _delete(stack, hotel, made)
    return [
        uploads.figure(
            "uploaded", "a bare sink",
            "the sink is one process on the services' own listener, behind a second gateway of the same configuration;"
            " it writes each body to a file of its own as it comes, one copy, and syncs it at its end",
            length, _UPLOAD_REST,
        ),
        plays.figure(
            "played", "a bare file server",
            "the file server is one process on the services' own listener, behind a second gateway of the same"
            " configuration; it sends a file in pieces of 256 KiB. Both sides' bytes are in the kernel's cache",
            length, _PLAY_REST,
        ),
    ]  # fmt: skip


async def _uploads(
    stack: Machine, hotel: Hotel, beside: Bare, source: Source, calls: Sequence[str]
) -> tuple[_Windows, list[str]]:
    """And the recordings that were made."""
    paths = [f"/v1/calls/{call_id}/recordings" for call_id in calls]
    made: list[str] = []

    async def after(seen: Sequence[Seen]) -> None:
        # Nothing is erased meanwhile: the memory of it would be nobody's.
        made.extend(one.answer["id"] for one in seen if "id" in one.answer)
        await drained(stack)

    windows = await _pairs(
        stack, hotel, beside, lambda port, _: _orders(stack, port, paths, source, is_upload=True), after
    )
    return windows, made


async def _plays(stack: Machine, hotel: Hotel, beside: Bare, source: Source, recording_id: str) -> _Windows:
    paths = [f"/v1/recordings/{recording_id}/audio"] * STREAMS

    async def after(_: Sequence[Seen]) -> None:
        await drained(stack)

    # Every byte is compared in the first pair, which is not measured.
    return await _pairs(
        stack, hotel, beside, lambda port, is_first: _orders(stack, port, paths, source, is_checked=is_first), after
    )


def _orders(
    stack: Machine, port: int, paths: Sequence[str], source: Source, *, is_upload: bool = False, is_checked: bool = True
) -> list[Order]:
    ca = str(stack.run / "ca.pem")
    return [Order(ca, port, path, source.seed, source.length, is_upload, is_checked) for path in paths]


async def _pairs(
    stack: Machine, hotel: Hotel, beside: Bare, orders: Callable[[int, bool], list[Order]],
    after: Callable[[Sequence[Seen]], Awaitable[None]],
) -> _Windows:  # fmt: skip
    windows = _Windows()
    for window in range(ROUNDS + 1):
        rates, spent = [], []
        for port in (stack.port_of("gateway"), beside.port):
            before = _spent(stack, beside)
            seen = await moved(orders(port, not window), lambda: hotel.agent.token)
            wrong = [one.said for one in seen if not one.is_right]
            assert not wrong, f"streams that did not end well: {wrong}"
            rates.append(rate(seen))
            total = sum(one.moved for one in seen)
            spent.append([(now - then) / total for now, then in zip(_spent(stack, beside), before, strict=True)])
            await after(seen)
        print(f"  {rates[0] / MIB:.0f} MiB/s, bare {rates[1] / MIB:.0f}", flush=True)
        if window:
            windows.rates.append((rates[0], rates[1]))
            windows.spent.append((*spent[0][:3], *spent[1][3:]))
    return windows


def _spent(stack: Machine, beside: Bare) -> list[float]:
    """Seconds of processor: the service, its gateway, PostgreSQL; the bare server and its gateway."""
    ours = [processor_seconds(stack, name) for name in ("recording_storage", "envoy", "postgres")]
    return [*ours, *(processor_seconds_of(pid) for pid in (beside.server_pid, beside.gateway_pid))]


async def _delete(stack: Machine, hotel: Hotel, made: Sequence[str]) -> None:
    for recording_id in made:
        expect(await asyncio.to_thread(hotel.agent.delete, f"/v1/recordings/{recording_id}"), 202)
    client = str(hotel.client_id)
    await asyncio.to_thread(
        wait_until,
        lambda: not any(is_stored(stack, client, one) for one in made), within=_ERASED, what="erased audio",
    )  # fmt: skip
