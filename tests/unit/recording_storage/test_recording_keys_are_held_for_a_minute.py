"""02.1: the key of a recording is held unwrapped for its time, for its own client and recording, and no longer."""

import asyncio
import os
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from guard import errors
from guard.vault import Refused
from recording_storage import key
from recording_storage.key import Keys, version_of

OTTER, HERON, RECORDING = uuid4(), uuid4(), uuid4()
LIFETIME = 60.0


class Transit:
    """Wraps in memory; what it wrapped for one client it opens for that client only."""

    def __init__(self) -> None:
        self.wrapped: dict[tuple[UUID, str], bytes] = {}
        self.asked = 0
        self.is_away = False

    async def new_data_key(self, service: str, client_id: UUID) -> tuple[bytes, str]:
        plain, wrapped = os.urandom(32), f"vault:v3:{len(self.wrapped)}"
        self.wrapped[client_id, wrapped] = plain
        return plain, wrapped

    async def unwrap(self, service: str, client_id: UUID, wrapped: str) -> bytes:
        self.asked += 1
        if self.is_away:
            raise errors.Unavailable
        if (client_id, wrapped) not in self.wrapped:
            raise Refused
        return self.wrapped[client_id, wrapped]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(key, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def transit() -> Transit:
    return Transit()


@pytest.fixture
def keys(transit: Transit) -> Keys:
    return Keys(transit, "recording_storage", lifetime=LIFETIME)


async def test_another_clients_key_does_not_open(keys: Keys) -> None:
    made = await keys.new(OTTER)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    with pytest.raises(errors.NotFound):
        await keys.sealer(HERON, RECORDING, made.wrapped)


async def test_openbao_away(keys: Keys, transit: Transit, at: SimpleNamespace) -> None:
    made = await keys.new(OTTER)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    transit.is_away = True
    at.now += LIFETIME - 1
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    at.now += 1
    with pytest.raises(errors.Unavailable):
        await keys.sealer(OTTER, RECORDING, made.wrapped)


async def test_a_destroyed_key_is_let_go(keys: Keys, transit: Transit) -> None:
    made = await keys.new(OTTER)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    keys.forget(OTTER, RECORDING)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    assert transit.asked == 2


async def test_it_is_let_go_in_time_though_nobody_asks_again(transit: Transit) -> None:
    keys = Keys(transit, "recording_storage", lifetime=0.2)
    made = await keys.new(OTTER)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    assert keys._sealers
    await asyncio.sleep(0.4)
    assert not keys._sealers


async def test_one_that_came_after_it_stays(transit: Transit) -> None:
    keys = Keys(transit, "recording_storage", lifetime=0.3)
    made = await keys.new(OTTER)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    keys.forget(OTTER, RECORDING)
    await asyncio.sleep(0.2)
    await keys.sealer(OTTER, RECORDING, made.wrapped)
    await asyncio.sleep(0.2)
    assert keys.held(OTTER, RECORDING) is not None


async def test_it_opens_what_it_sealed_and_is_asked_once(keys: Keys, transit: Transit) -> None:
    made = await keys.new(OTTER)
    sealed = (await keys.sealer(OTTER, RECORDING, made.wrapped)).seal(0, b"audio", is_last=True)
    assert (await keys.sealer(OTTER, RECORDING, made.wrapped)).open(0, sealed, is_last=True) == b"audio"
    assert transit.asked == 1


async def test_no_more_than_so_many_are_held(keys: Keys, transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "_CACHED", 2)
    made = await keys.new(OTTER)
    first = uuid4()
    for recording_id in (first, uuid4(), uuid4(), first):
        await keys.sealer(OTTER, recording_id, made.wrapped)
    assert transit.asked == 4


def test_the_version_that_wrapped_it() -> None:
    assert version_of("vault:v12:abc") == 12
    for other in ("", "vault:12:abc", "vault:vx:abc", "other:v1:abc"):
        with pytest.raises(ValueError):
            version_of(other)
