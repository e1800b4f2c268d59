"""Where the running service keeps its objects, and disks that can be full, and a real S3 server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.hotel import Hotel
from support.machine import Machine, wait_until
from support.recordings import SERVICE
from support.zone_room import both_in_buckets


@pytest.fixture
def wounds():
    return []


@pytest.fixture(scope="module", params=["folders", "buckets"])
async def zones_of_the_service(request: pytest.FixtureRequest, stack: Machine, otter: Hotel) -> AsyncIterator[None]:
    """The two folders, as the stack has them, or two S3 stores over TLS (which serve the same folders' objects)."""
    if request.param == "folders":
        yield
        return

    def serves() -> bool:
        return otter.viewer.get("/v1/recordings").status_code == 200

    await asyncio.to_thread(stack.stop, SERVICE)
    try:
        async with both_in_buckets(stack):
            yield
    finally:
        await asyncio.to_thread(stack.start, SERVICE)
        await asyncio.to_thread(wait_until, serves, within=90, what=SERVICE)
