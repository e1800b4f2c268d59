"""Audio through the whole platform: its speed, seeking in a long recording, and the memory of many at once."""

import asyncio
import shutil

from performance import crowd, seeking, transfer
from performance.figure import Figure
from performance.source import Source
from performance.stage import is_stored
from performance.stream import Order, moved
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB
from support.standing import NoStack

LONG = 1024  # MiB of the long recording; what is promised is promised of that
SHORT = 64  # MiB of one stream that is measured against a bare one
_SEED = 2
_ZONES = 2
_ROOM = 10 * 1024  # MiB for all else: the short ones of both sides, the database, the bus and the logs
_ERASED = 900.0  # seconds until everything is gone from both zones, what was cut among it


def needed(mib: int) -> int:
    """MiB of disk."""
    return (crowd.UPLOADS + 1) * mib * _ZONES + _ROOM


def require_room(stack: Machine, mib: int) -> None:
    """Raises NoStack when the disk has not what it takes."""
    free = shutil.disk_usage(stack.run).free // MIB
    if free < needed(mib):
        raise NoStack(
            f"recordings of {mib} MiB need {needed(mib) / 1024:.0f} GiB below {stack.run}, and there are"
            f" {free / 1024:.0f} free (smaller: --size-mib)"
        )


async def measure(stack: Machine, hotel: Hotel, mib: int) -> list[Figure]:
    """All of it is erased at the end, however that is."""
    source = Source(_SEED, mib * MIB)
    try:
        figures = await transfer.measure(stack, hotel, min(SHORT, mib) * MIB)
        print(f"  {source.size} is uploaded", flush=True)
        recording_id = await _recorded(stack, hotel, source)
        figures += await seeking.measure(stack, hotel, source, recording_id)
        figures += await crowd.measure(stack, hotel, source, recording_id)
    finally:
        await asyncio.to_thread(_erase, stack, hotel)
    return figures


async def _recorded(stack: Machine, hotel: Hotel, source: Source) -> str:
    path = f"/v1/calls/{hotel.call()['id']}/recordings"
    order = Order(str(stack.run / "ca.pem"), stack.port_of("gateway"), path, source.seed, source.length, is_upload=True)
    [seen] = await moved([order], lambda: hotel.agent.token)
    assert seen.is_right, f"the long recording was not stored: {seen.said}"
    return str(seen.answer["id"])


def _erase(stack: Machine, hotel: Hotel) -> None:
    while items := expect(hotel.agent.get("/v1/recordings?limit=200"), 200).json()["items"]:
        for recording in items:
            expect(hotel.agent.delete(f"/v1/recordings/{recording['id']}"), 202)
    client = str(hotel.client_id)
    wait_until(lambda: not is_stored(stack, client), within=_ERASED, every=1.0, what="an end of the erasing")
