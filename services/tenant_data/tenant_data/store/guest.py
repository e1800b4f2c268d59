"""Statements on guests and on what they are looked up by. Never a word about a person: sealed bytes, digests."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from asyncpg import Record

from guard.access import Access
from guard.keys import SubjectKey
from tenant_data.guest import GuestRow


async def insert_guest(access: Access, guest_id: UUID, sealed: bytes) -> None:
    """A new guest, at version 1."""
    await access.execute(
        """INSERT INTO guest (client_id, guest_id, sealed, created_at)
           VALUES ($1, $2, $3, $4)""",
        guest_id,
        sealed,
        access.now,
    )
    access.touch("guest", guest_id)


async def insert_digests(access: Access, guest_id: UUID, digests: Mapping[str, bytes]) -> None:
    """What the guest is looked up by, by field."""
    await access.execute(
        """INSERT INTO guest_index (client_id, guest_id, field, digest)
           SELECT $1, $2, field, digest FROM unnest($3::text[], $4::bytea[]) AS given (field, digest)""",
        guest_id,
        list(digests),
        list(digests.values()),
    )


async def delete_digests(access: Access, guest_id: UUID) -> None:
    """Nothing finds the guest but its id."""
    await access.execute(
        """DELETE FROM guest_index
            WHERE client_id = $1 AND guest_id = $2""",
        guest_id,
    )


async def find_guest(access: Access, guest_id: UUID) -> GuestRow:
    """The guest. Raises NotFound, the same for a foreign and an absent id (invariant 12)."""
    record = await access.fetchrow(
        """SELECT g.guest_id, g.sealed, g.version, g.created_at, k.data_key_id, k.wrapped
             FROM guest g
             JOIN guard.subject_key k ON k.client_id = g.client_id AND k.subject_id = g.guest_id
            WHERE g.client_id = $1 AND k.client_id = $1 AND g.guest_id = $2""",
        guest_id,
    )
    if record is None:
        access.missed("guest", guest_id)
    _touch(access, record)
    return await _row(access, record)


async def lock_guest(access: Access, guest_id: UUID) -> GuestRow:
    """The guest; until the commit nobody else changes it, deletes it or gives it a call. Raises NotFound."""
    record = await access.fetchrow(
        """SELECT g.guest_id, g.sealed, g.version, g.created_at, k.data_key_id, k.wrapped
             FROM guest g
             JOIN guard.subject_key k ON k.client_id = g.client_id AND k.subject_id = g.guest_id
            WHERE g.client_id = $1 AND k.client_id = $1 AND g.guest_id = $2
              FOR UPDATE OF g""",
        guest_id,
    )
    if record is None:
        access.missed("guest", guest_id)
    _touch(access, record)
    return await _row(access, record)


async def hold_guest(access: Access, guest_id: UUID) -> SubjectKey:
    """The key of a guest that stays until the commit, for a row that will point at it. Raises NotFound."""
    record = await access.fetchrow(
        """SELECT k.data_key_id, k.wrapped
             FROM guest g
             JOIN guard.subject_key k ON k.client_id = g.client_id AND k.subject_id = g.guest_id
            WHERE g.client_id = $1 AND k.client_id = $1 AND g.guest_id = $2
              FOR KEY SHARE OF g""",
        guest_id,
    )
    if record is None:
        access.missed("guest", guest_id)
    return await access.unwrap(guest_id, record["data_key_id"], record["wrapped"])


async def list_guests(access: Access, before: UUID, limit: int) -> list[GuestRow]:
    """The newest `limit` guests with an id below `before`, and one more if there is one."""
    records = await access.fetch(
        """SELECT g.guest_id, g.sealed, g.version, g.created_at, k.data_key_id, k.wrapped
             FROM guest g
             JOIN guard.subject_key k ON k.client_id = g.client_id AND k.subject_id = g.guest_id
            WHERE g.client_id = $1 AND k.client_id = $1 AND g.guest_id < $2
            ORDER BY g.guest_id DESC
            LIMIT $3 + 1""",
        before,
        limit,
    )
    return await _page(access, records, limit)


async def search_guests(access: Access, digests: Sequence[bytes], before: UUID, limit: int) -> list[GuestRow]:
    """The newest `limit` guests below `before` that have every one of `digests`, and one more if there is one."""
    records = await access.fetch(
        """SELECT g.guest_id, g.sealed, g.version, g.created_at, k.data_key_id, k.wrapped
             FROM (SELECT guest_id
                     FROM guest_index
                    WHERE client_id = $1 AND digest = ANY($2::bytea[]) AND guest_id < $3
                    GROUP BY guest_id
                   HAVING count(*) = cardinality($2::bytea[])
                    ORDER BY guest_id DESC
                    LIMIT $4 + 1) found
             JOIN guest g ON g.client_id = $1 AND g.guest_id = found.guest_id
             JOIN guard.subject_key k ON k.client_id = $1 AND k.subject_id = found.guest_id
            WHERE g.client_id = $1 AND k.client_id = $1
            ORDER BY g.guest_id DESC""",
        digests,
        before,
        limit,
    )
    return await _page(access, records, limit)


async def update_guest(access: Access, guest_id: UUID, sealed: bytes) -> None:
    """Other content, at the next version."""
    await access.execute(
        """UPDATE guest SET sealed = $3, version = version + 1
            WHERE client_id = $1 AND guest_id = $2""",
        guest_id,
        sealed,
    )


async def delete_guest(access: Access, guest_id: UUID) -> None:
    """The row of a guest that has no calls and no digests any more."""
    await access.execute(
        """DELETE FROM guest
            WHERE client_id = $1 AND guest_id = $2""",
        guest_id,
    )


def _touch(access: Access, record: Record) -> None:
    access.touch("guest", record["guest_id"])


async def _row(access: Access, record: Record) -> GuestRow:
    guest_id = record["guest_id"]
    key = await access.unwrap(guest_id, record["data_key_id"], record["wrapped"])
    return GuestRow(guest_id, record["sealed"], key, record["version"], record["created_at"])


async def _page(access: Access, records: Sequence[Record], limit: int) -> list[GuestRow]:
    # The row beyond the limit only says that there is more: it is not shown, so it was not touched.
    if not records:
        access.touch_none()
    for record in records[:limit]:
        _touch(access, record)
    return [await _row(access, record) for record in records]
