"""`python -m performance`: measures every figure on a stack of its own, and writes docs/performance.md.

An hour and more for all of it, half of it recordings of a GiB (52 GiB of disk). What was measured is kept in
docs/performance/figures.json, so that one figure can be measured anew by itself.
Exit codes: 0 every promise is kept, 1 one is missed, 2 the stack is not to be had or wrong use.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import uvloop

from performance import fields, growth, guarded_read, ingest, kept, memory, page, recordings, segments, sign_in, visible
from performance.figure import Figure
from performance.stage import machine, memory_in_use
from support import standing, tree
from support.hotel import Hotel, found
from support.machine import Machine
from support.standing import NoStack

Bench = Callable[[Machine, Hotel, Hotel], Awaitable[Sequence[Figure]]]


async def _fields(*_: object) -> Sequence[Figure]:
    return [fields.measure()]


async def _segments(*_: object) -> Sequence[Figure]:
    return segments.measure()


async def _guarded(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
    return [await guarded_read.measure(stack, one)]


async def _sign_in(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
    return await sign_in.measure(stack, one)


async def _visible(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
    return [await visible.measure(stack, one)]


async def _ingest(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
    return [await ingest.measure(stack, one)]


def _recordings(mib: int) -> Bench:
    async def measure(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
        return await recordings.measure(stack, one, mib)

    return measure


async def _memory(stack: Machine, one: Hotel, _: Hotel) -> Sequence[Figure]:
    return await memory.measure(stack, one)


# In this order: what fills the tables comes last.
BENCHES: dict[str, Bench] = {
    "fields": _fields,
    "segments": _segments,
    "guarded_read": _guarded,
    "sign_in": _sign_in,
    "visible": _visible,
    "recordings": _recordings(recordings.LONG),
    "memory": _memory,
    "ingest": _ingest,
    "growth": growth.measure,
}


def main() -> int:
    asked = _parser().parse_args()
    benches = {name: BENCHES[name] for name in asked.only or BENCHES}
    is_trial = asked.size_mib != recordings.LONG
    if is_trial and "recordings" in benches:
        benches["recordings"] = _recordings(asked.size_mib)
    stack = machine()
    try:
        with ExitStack() as held:
            one, other = _prepare(stack, held)
            if "recordings" in benches:
                recordings.require_room(stack, asked.size_mib)
            fill = held.enter_context(memory_in_use(stack.run))
            figures = uvloop.run(_measure(stack, one, other, benches, fill, is_kept=not is_trial))
    except NoStack as reason:
        sys.stderr.write(f"bench: {reason}\n")
        return 2
    finally:
        stack.konci("down", check=False)
    if is_trial:
        print(f"nothing is written: what is promised is promised of {recordings.LONG} MiB")
    else:
        known = kept.load()
        missing = [name for name in BENCHES if name not in known]
        print(f"written: {page.write([known[name] for name in BENCHES if name in known], missing)}")
    missed = [figure for figure in figures if not figure.is_kept]
    for figure in missed:
        print(f"missed: {figure.name}: {figure.said}")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: PYTHONPATH=tests .venv/bin/python -m performance --only guarded_read",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", choices=BENCHES, help="measure these; the page gets them beside what is kept"
    )
    parser.add_argument(
        "--size-mib", type=int, choices=range(2, recordings.LONG + 1), default=recordings.LONG, metavar="MIB",
        help=f"of the long recording, for a trial that is not kept: 2 to {recordings.LONG}, which is the default",
    )  # fmt: skip
    return parser


def _prepare(stack: Machine, held: ExitStack) -> list[Hotel]:
    """A stack made afresh, and two hotels in it. Raises NoStack."""
    with standing.needed("what an earlier run left could not be taken down"):
        stack.konci("down", "--wipe")
    standing.bring_up(stack)
    with standing.needed("no hotel can be founded"):
        return [held.enter_context(found(stack, name)) for name in ("Otter House", "Heron Inn")]


async def _measure(
    stack: Machine, one: Hotel, other: Hotel, benches: Mapping[str, Bench], fill: Callable[[], None], *, is_kept: bool
) -> list[Figure]:
    figures: list[Figure] = []
    commit = tree.commit()  # now: who works on while it measures changes the tree, and not what runs
    for name, bench in benches.items():
        began = time.monotonic()
        print(f"{name} …", flush=True)
        await asyncio.to_thread(fill)
        found_here = await bench(stack, one, other)
        if is_kept:
            kept.save(name, found_here, commit, datetime.now(UTC).date().isoformat())
        for figure in found_here:
            print(f"  {'kept  ' if figure.is_kept else 'MISSED'} {figure.name}: {figure.said}\n         {figure.how}")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        figures += found_here
    return figures


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: by way of every `finally`
    sys.exit(main())
