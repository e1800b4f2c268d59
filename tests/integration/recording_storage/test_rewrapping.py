"""02.1: recordings' keys follow their client's key when it turns; cut short anywhere, it goes on, and none is left."""

from typing import Any
from uuid import UUID

import pytest

from guard.vault import Refused
from recording_storage import rewrapping
from recording_storage.store import key as store
from support.hotel import Hotel, expect
from support.machine import Machine
from support.recordings import SERVICE, Inside, inside, play, record, rows, wav
from support.turns import turner


class Killed(BaseException):
    """As a kill -9 ends it: nothing is caught."""


async def turn(stack: Machine, client_id: UUID) -> None:
    """A new version of the client's key."""
    async with turner(stack.stack) as session:
        await session.write(f"transit/{SERVICE}/keys/{client_id}/rotate")


async def versions(stack: Machine, hotel: Hotel) -> list[int]:
    return sorted(row["key_version"] for row in await rows(stack, "recording_key", hotel.client_id))


async def rewrap(parts: Inside) -> int:
    return await rewrapping.rewrap(parts.door.pools.job, parts.vault, SERVICE)


async def test_none_is_left_and_each_still_plays(stack: Machine, otter: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = {record(otter, wav(seed=seed))["id"]: wav(seed=seed) for seed in range(5)}
    async with inside(stack) as parts:
        await rewrap(parts)
        [newest] = set(await versions(stack, otter))
        await turn(stack, otter.client_id)
        await killed_after(parts, monkeypatch, 2)
        assert len(set(await versions(stack, otter))) == 2
        monkeypatch.undo()
        monkeypatch.setattr(rewrapping, "_BATCH", 2)
        assert await rewrap(parts) >= 3
        assert set(await versions(stack, otter)) == {newest + 1}
        assert rewrapping.left._value.get() == 0
        assert await rewrap(parts) == 0
    for recording_id, whole in audio.items():
        assert expect(play(otter.agent, recording_id), 200).content == whole


async def killed_after(parts: Inside, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    replace, done = store.replace_wrapped, 0

    async def struck(*arguments: Any, **options: Any) -> None:
        nonlocal done
        if done == count:
            raise Killed
        done += 1
        await replace(*arguments, **options)

    monkeypatch.setattr(store, "replace_wrapped", struck)
    with pytest.raises(Killed):
        await rewrap(parts)


async def test_a_client_whose_key_is_not_to_be_had_keeps_no_other_from_theirs(
    stack: Machine, otter: Hotel, heron: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(otter), record(heron)
    await turn(stack, heron.client_id)
    async with inside(stack) as parts:
        asked = parts.vault.key_version

        async def refused(service: str, client_id: UUID) -> int:
            if client_id == otter.client_id:
                raise Refused
            return await asked(service, client_id)

        monkeypatch.setattr(parts.vault, "key_version", refused)
        await rewrap(parts)
        newest = await asked(SERVICE, heron.client_id)
    assert set(await versions(stack, heron)) == {newest}
