"""Recordings as tests make them: audio of any length, uploaded through the gateway, looked for in both zones."""

import os
import random
import signal
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from guard import vault
from guard.access import Door
from guard.places import Bounds, Places
from recording_storage import adoption, comparison, zone
from recording_storage.archive import Archive
from recording_storage.comparison import Grace
from recording_storage.effort import Effort
from recording_storage.healer import Healer, Wounded
from recording_storage.healing import Difference
from recording_storage.heartbeat import Heartbeat
from recording_storage.key import Keys
from recording_storage.zone import Place, Zones, ZoneSettings
from support import workload
from support.database import superuser
from support.hotel import Hotel, Person, expect
from support.machine import Machine

SERVICE = "recording_storage"
MIB = 2**20


def wav(length: int = 100_000, seed: int = 7) -> bytes:
    """So many bytes of a mono 16-bit WAV at 8 kHz, different for each seed."""
    data = random.Random(seed).randbytes(length - 44)
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    return b"".join(
        (b"RIFF", struct.pack("<I", length - 8), b"WAVEfmt ", form, b"data", struct.pack("<I", len(data)), data)
    )


def send(person: Person, call_id: str, audio: Any, *, media: str = "audio/wav", **headers: str) -> httpx2.Response:
    """An upload; `headers` with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return person.post(
        f"/v1/calls/{call_id}/recordings", content=audio, headers={"Content-Type": media, **named}, timeout=120
    )


def record(hotel: Hotel, audio: bytes | None = None, **facts: Any) -> dict[str, Any]:
    """A recording of a new call with these facts."""
    answer: dict[str, Any] = expect(send(hotel.agent, hotel.call(**facts)["id"], audio or wav()), 201).json()
    return answer


def play(person: Person, recording_id: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return person.get(f"/v1/recordings/{recording_id}/audio", headers=named, timeout=120)


def places(stack: Machine) -> list[Path]:
    """The folders of the two zones."""
    return [stack.run / "recordings" / name for name in ("a", "b")]


def objects(stack: Machine, recording_id: str | UUID) -> list[Path]:
    """What is stored of a recording or an upload, in both zones."""
    return _found(stack, f"*/{recording_id}/*")


def objects_of(stack: Machine, client_id: UUID) -> list[Path]:
    """What is stored of a client."""
    return _found(stack, f"{client_id}/*/*")


def _found(stack: Machine, pattern: str) -> list[Path]:
    while True:
        try:
            return sorted(path for place in places(stack) for path in place.glob(pattern))
        except FileNotFoundError:  # a folder was erased while it was looked through
            continue


async def rows(stack: Machine, table: str, client_id: UUID) -> list[dict[str, Any]]:
    async with superuser(stack, SERVICE) as connection:
        found = await connection.fetch(f"SELECT * FROM {table} WHERE client_id = $1", client_id)
    return [dict(row) for row in found]


def in_its_place(stack: Machine) -> Path:
    """Where a copy that serves in the place of the supervised process says which process it is."""
    return stack.run / f"{SERVICE}.pid"


@contextmanager
def standing(stack: Machine) -> Iterator[None]:
    """The service itself stands still inside the block."""
    pid = stack.pid(SERVICE) or int(in_its_place(stack).read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class _StillIn:
    """Of revocations, where none has come."""

    async def is_over(self, _caller: Any) -> bool:
        return False


@dataclass(frozen=True)
class Inside:
    """The service's parts, in the test's own process."""

    door: Door
    zones: Zones
    keys: Keys
    vault: vault.Vault
    wounded: Wounded
    healer: Healer

    def archive(self) -> Archive:
        """As `app` makes it, but for what asks other services."""
        room = Places("tests", Bounds(100, 100, kept=0), retry_after=1)
        nobody: Any = None
        everybody: Any = _StillIn()
        return Archive(
            self.zones,
            self.keys,
            nobody,
            room,
            room,
            Effort(),
            Heartbeat(),
            everybody,
            lambda: None,
            timedelta(days=30),
        )

    async def compared(self, orphaned: timedelta = timedelta()) -> list[Difference]:
        """What differs between both zones and the database; what nobody has owned for so long is erased."""
        grace = Grace(self.door.clock, orphaned, timedelta(hours=3))
        return await comparison.compare(self.door.pools.job, self.zones, self.healer, self.wounded, grace)


@asynccontextmanager
async def inside(stack: Machine, shift: timedelta = timedelta()) -> AsyncIterator[Inside]:
    """They, with a clock that is ahead by `shift`."""
    async with workload.door(stack, SERVICE) as door:
        door.clock.shift = shift
        wounded = Wounded()
        first, second = (Place(str(place)) for place in places(stack))
        zones = zone.open_zones(ZoneSettings((first, second)), wounded.note)
        await adoption.prepare(door.pools.job, zones)
        keys = Keys(door.keyring._vault, SERVICE, lifetime=2.0)
        yield Inside(door, zones, keys, door.keyring._vault, wounded, Healer(door, zones, keys, wounded))
