"""Statements on `device`."""

from uuid import UUID

from guard.access import Access

_DEVICES = 20  # known ones of one user; the least used goes first


async def find(access: Access, device_id: UUID, user_id: UUID) -> bytes | None:
    """The digest of a device of this user."""
    row = await access.fetchrow(
        "SELECT secret_hash FROM device WHERE client_id = $1 AND device_id = $2 AND user_id = $3", device_id, user_id
    )
    return None if row is None else bytes(row["secret_hash"])


async def use(access: Access, device_id: UUID) -> None:
    """The device was here again."""
    await access.execute(
        "UPDATE device SET used_at = $3 WHERE client_id = $1 AND device_id = $2", device_id, access.now
    )


async def add(access: Access, device_id: UUID, user_id: UUID, secret_hash: bytes) -> None:
    """A device is known from now on; with too many, the one that was away longest is not."""
    await access.execute(
        "INSERT INTO device (client_id, device_id, user_id, secret_hash, used_at) VALUES ($1, $2, $3, $4, $5)",
        device_id,
        user_id,
        secret_hash,
        access.now,
    )
    await access.execute(
        """DELETE FROM device
            WHERE client_id = $1 AND user_id = $2
              AND device_id IN (SELECT device_id FROM device WHERE client_id = $1 AND user_id = $2
                                 ORDER BY used_at DESC, device_id DESC OFFSET $3)""",
        user_id,
        _DEVICES,
    )


async def forget(access: Access, user_id: UUID, but: UUID | None) -> None:
    """No other device of the user is known any more."""
    await access.execute(
        "DELETE FROM device WHERE client_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR device_id <> $3)",
        user_id,
        but,
    )
