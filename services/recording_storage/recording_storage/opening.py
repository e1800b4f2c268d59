"""A recording that this service opens for its own work, to heal or to scrub it: its client's log says so, and it is
opened only for as long as its key is there.
"""

from collections.abc import Callable
from uuid import UUID

from events.access import Action
from guard import errors, tenant
from guard.access import Door
from guard.identity import Caller
from recording_storage.key import Keys
from recording_storage.recording import RESOURCE
from recording_storage.segment import Sealer
from recording_storage.store import recording as store


class Opening:
    """One that was admitted. Made by `admit`."""

    def __init__(self, door: Door, keys: Keys, caller: Caller, recording_id: UUID) -> None:
        self._door = door
        self._keys = keys
        self._caller = caller
        self._recording_id = recording_id

    async def accept(self, number: int, *, is_last: bool) -> Callable[[memoryview], int]:
        """What lets segment `number` pass when it opens, and tells how long it is as it is stored; else it raises
        Damaged. To be asked for each of them: a key is held for a minute at most, however long the work lasts. Raises
        NotFound once it is deleted, Unavailable.
        """
        sealer = await self._sealer()

        def accept(sealed: memoryview) -> int:
            sealer.open(number, sealed, is_last=is_last)
            return len(sealed)

        return accept

    async def _sealer(self) -> Sealer:
        client_id = self._caller.client_id
        held = self._keys.held(client_id, self._recording_id)
        if held is not None:
            return held
        # Not through the door: this work is in the log.
        async with tenant.transaction(self._door.pools.request, self._caller, self._door.seal_key) as connection:
            wrapped = await store.wrapped_key_now(connection, client_id, self._recording_id)
        if wrapped is None:
            raise errors.NotFound
        return await self._keys.sealer(client_id, self._recording_id, wrapped)


async def admit(door: Door, keys: Keys, client_id: UUID, recording_id: UUID, reason: str) -> Opening:
    """Opens it, and says so in its client's log, with why. Raises NotFound when it is deleted, Unavailable."""
    caller = door.service_caller(client_id, reason=reason)
    async with door.entry().open(caller, Action.RECORDING_READ) as access:
        wrapped = await store.find_wrapped_key(access, recording_id)
        access.touch(RESOURCE, recording_id)
        await keys.sealer(client_id, recording_id, wrapped)  # inside: what OpenBao does not open was no access
    return Opening(door, keys, caller, recording_id)
