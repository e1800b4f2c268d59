"""A healer at work on two folders. What it asks of a database and of OpenBao is in memory."""

import errno
import os
from collections.abc import Callable, Collection
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from guard import errors
from recording_storage import zone
from recording_storage.healer import Healer, Wounded
from recording_storage.resting import Resting
from recording_storage.segment import SEGMENT, Sealer, new_key
from support.zone_suite import only_in

CLIENT, BAD, GOOD = UUID(int=1), UUID(int=2), UUID(int=3)
KEY = new_key()
LENGTH = 2 * SEGMENT + 5


class Service:
    """A healer, its rows and its keys. `opened`: the entries in a client's log; `now`: by which they rest."""

    def __init__(self, zones: zone.Zones, wounded: Wounded) -> None:
        self.lengths: dict[UUID, int] = {}
        self.degraded: list[UUID] = []
        self.opened: list[UUID] = []
        self.turns = 0
        self.now = 1000.0
        self.is_openbao_away = False
        self.zones, self.wounded = zones, wounded
        door: Any = SimpleNamespace(pools=SimpleNamespace(job=SimpleNamespace(acquire=self._acquire)))
        self.healer = Healer(door, zones, door, wounded)
        self.healer._resting = Resting(lambda: self.now)

    @asynccontextmanager
    async def _acquire(self) -> Any:
        yield self

    async def _of_store(self, _: Any, after: tuple[UUID, UUID], limit: int) -> list[dict[str, UUID]]:
        self.turns += 1
        ids = [one for one in sorted(self.degraded) if (CLIENT, one) > after]
        return [{"client_id": CLIENT, "recording_id": one} for one in ids[:limit]]

    def store(self) -> Any:
        async def count(_: Any) -> int:
            return len(self.degraded)

        async def length_of(_: Any, __: UUID, recording_id: UUID) -> int | None:
            return self.lengths.get(recording_id)

        async def mark_safe(_: Any, __: UUID, recording_id: UUID) -> None:
            self.degraded = [one for one in self.degraded if one != recording_id]

        async def is_known(_: Any, __: UUID, recording_id: UUID) -> bool:
            return recording_id in self.lengths

        return SimpleNamespace(
            degraded=self._of_store, count_degraded=count, length_of=length_of, mark_safe=mark_safe, is_known=is_known
        )

    async def admit(self, _: Any, __: Any, client_id: UUID, recording_id: UUID, ___: str) -> Any:
        if self.is_openbao_away:
            raise errors.Unavailable
        self.opened.append(recording_id)
        sealer = Sealer(KEY, client_id, recording_id)

        async def accept(number: int, *, is_last: bool) -> Callable[[bytes], object]:
            return lambda sealed: sealer.open(number, sealed, is_last=is_last)

        return SimpleNamespace(accept=accept)

    async def record(self, recording_id: UUID, length: int = LENGTH, *, spoilt: int = -1) -> None:
        """Zone a alone takes it."""
        sealer = Sealer(KEY, CLIENT, recording_id)
        for number in range(-(-length // SEGMENT)):
            size = min(SEGMENT, length - number * SEGMENT)
            sealed = sealer.seal(number, bytes(size), is_last=size < SEGMENT)
            body = bytes(len(sealed)) if number == spoilt else sealed
            await only_in(self.zones, "a", zone.path(CLIENT, recording_id, number), body)
        self.lengths[recording_id] = length
        self.degraded.append(recording_id)

    async def delete(self, recording_id: UUID) -> None:
        del self.lengths[recording_id]
        self.degraded.remove(recording_id)
        await self.zones.erase(zone.prefix(CLIENT, recording_id))

    async def turn(self, times: int = 1) -> int:
        return sum([await self.healer.turn() for _ in range(times)])


_DOES = {"read": "get", "write": "put", "settle": "settle", "chunks": "stay_inside"}


class Failing:
    """A zone whose place fails with this for BAD's objects, until it is mended. `asked`: how often it was to."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch, name: str, operation: str) -> None:
        self._place, self._operation, self._patch = service.zones._named(name)._place, _DOES[operation], monkeypatch
        self._real = getattr(self._place, self._operation)
        self.asked = 0
        monkeypatch.setattr(self._place, self._operation, self._does)

    def mend(self) -> None:
        self._patch.setattr(self._place, self._operation, self._real)

    async def _does(self, path: str | Collection[str], *more: Any) -> Any:
        if any(str(BAD) in one for one in ([path] if isinstance(path, str) else path)):
            self.asked += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return await self._real(path, *more)
