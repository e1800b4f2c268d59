"""The key of each recording: made wrapped by its client's key in OpenBao, held unwrapped for a minute at most (02.1).

A key is never looked up, cached or used without its client and its recording beside it.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from events.uuid7 import uuid7
from guard import errors
from guard.keys import KeyService
from guard.vault import Refused
from recording_storage.segment import Sealer

_CACHED = 1000  # recordings whose key is held


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key: 32 bytes, and how it is stored."""

    key_id: UUID
    plain: bytes = field(repr=False)
    wrapped: str = field(repr=False)

    @property
    def version(self) -> int:
        """The version of the client's key that wrapped it."""
        return version_of(self.wrapped)


def version_of(wrapped: str) -> int:
    """Of the client's key, in "vault:v3:…" as OpenBao's transit engine writes it. Raises ValueError."""
    engine, _, rest = wrapped.partition(":v")
    if engine != "vault":
        raise ValueError("not a text of OpenBao's")
    return int(rest.partition(":")[0])


class Keys:
    """Makes and opens the keys of one service's recordings."""

    def __init__(self, vault: KeyService, service: str, *, lifetime: float) -> None:
        """`lifetime` in seconds: how long a sealed OpenBao, or a destroyed client key, can go unnoticed."""
        self._vault = vault
        self._service = service
        self._lifetime = lifetime
        self._sealers: OrderedDict[tuple[UUID, UUID], tuple[Sealer, float]] = OrderedDict()

    async def new(self, client_id: UUID) -> NewKey:
        """A key for one recording. Raises Unavailable."""
        plain, wrapped = await self._vault.new_data_key(self._service, client_id)
        return NewKey(uuid7(), plain, wrapped)

    def held(self, client_id: UUID, recording_id: UUID) -> Sealer | None:
        """What opens the segments, while its key is held unwrapped."""
        at = _at(client_id, recording_id)
        known = self._sealers.get(at)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        self._sealers.pop(at, None)
        return None

    async def sealer(self, client_id: UUID, recording_id: UUID, wrapped: str) -> Sealer:
        """What opens the segments. Raises Unavailable, and NotFound when the client's key is destroyed."""
        held = self.held(client_id, recording_id)
        if held is not None:
            return held
        ends_at = time.monotonic() + self._lifetime  # counted from before the call: a slow answer does not live longer
        try:
            plain = await self._vault.unwrap(self._service, client_id, wrapped)
        except Refused as gone:
            raise errors.NotFound from gone
        sealer = Sealer(plain, client_id, recording_id)
        at = _at(client_id, recording_id)
        self._sealers[at] = sealer, ends_at
        # Asked for again or not.
        asyncio.get_running_loop().call_later(ends_at - time.monotonic(), self._end, at, ends_at)
        while len(self._sealers) > _CACHED:
            self._sealers.popitem(last=False)
        return sealer

    def _end(self, at: tuple[UUID, UUID], ends_at: float) -> None:
        known = self._sealers.get(at)
        if known is not None and known[1] <= ends_at:  # not the one that came after it
            del self._sealers[at]

    def forget(self, client_id: UUID, recording_id: UUID) -> None:
        """Lets go of a key that is destroyed."""
        self._sealers.pop(_at(client_id, recording_id), None)


def _at(client_id: UUID, recording_id: UUID) -> tuple[UUID, UUID]:
    return client_id, recording_id
