"""Nobody, whom an unknown e-mail is held against: a subject of the platform with a key in OpenBao like anybody's.

Whether somebody or nobody is asked for, a sign-in unwraps one data key: no cache tells them apart, nor OpenBao away.
"""

from uuid import UUID

from auth.store import login as store
from events.access import PLATFORM
from guard.access import Access
from guard.keys import Keyring, KeyService, SubjectKey

NOBODY = UUID(int=0)


async def key_of(vault: KeyService, access: Access, user_id: UUID) -> SubjectKey | None:
    """The user's key, or nobody's, asked of OpenBao each time. Raises Unavailable for whomever while that is away."""
    # A keyring of this one sign-in: in the service's own, the keys of clients that are busy would answer without it.
    keyring = Keyring(vault, access.door.service, lifetime=0)
    keys = await keyring.subject_keys(access.connection, access.client_id, [user_id])
    if user_id not in keys and access.client_id == PLATFORM:
        await store.hold_nobody(access)
        keys = await keyring.subject_keys(access.connection, PLATFORM, [NOBODY])
        if NOBODY not in keys:
            return await keyring.create(access.connection, PLATFORM, NOBODY, access.now)
    return keys.get(user_id)
