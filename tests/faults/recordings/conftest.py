"""The stack without its own recording_storage: each test starts quickened copies in its place."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from support.hotel import Hotel, found
from support.machine import Machine, wait_until


@pytest.fixture
async def alone(stack: Machine, otter: Hotel) -> AsyncIterator[Machine]:
    await asyncio.to_thread(stack.stop, "recording_storage")
    yield stack

    def serves() -> bool:
        return otter.viewer.get("/v1/recordings").status_code == 200

    await asyncio.to_thread(stack.start, "recording_storage")
    await asyncio.to_thread(wait_until, serves, within=90, what="recording_storage")


@pytest.fixture
def newcomers(stack: Machine) -> Iterator[list[Hotel]]:
    """Two hotels that nobody else uses: whatever they have is from this test."""
    with found(stack, "Kestrel Lodge") as kestrel, found(stack, "Plover Rest") as plover:
        yield [kestrel, plover]
