"""Statements on `credential` and `recovery_code`, and the one that reads all a sign-in needs."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from auth.account import Account
from guard.access import Access


async def find(access: Access, user_id: UUID) -> Account | None:
    """The user with its credential and its client's settings."""
    row = await access.fetchrow(
        """SELECT u.user_id, u.email_index, u.sealed, u.role, u.status, u.version, u.created_at,
                  k.password_sealed, coalesce(k.is_short_password, false) AS is_short_password, k.totp_sealed,
                  k.totp_offered_at, k.totp_confirmed_at IS NOT NULL AS has_totp,
                  c.name AS client_name, c.totp_required, c.session_idle_seconds, c.session_absolute_seconds
             FROM client_user u
             JOIN client c ON c.client_id = $1
             LEFT JOIN credential k ON k.client_id = $1 AND k.user_id = u.user_id
            WHERE u.client_id = $1 AND u.user_id = $2""",
        user_id,
    )
    if row is None:
        return None
    fields = dict(row)
    idle, absolute = fields.pop("session_idle_seconds"), fields.pop("session_absolute_seconds")
    return Account(**fields, idle=timedelta(seconds=idle), absolute=timedelta(seconds=absolute))


async def still_holds(access: Access, account: Account) -> bool:
    """Whether the user is active, and as it was when its password was compared. Holds it so until the transaction ends:

    no session begins beside a disabling, with a role or a password that was just taken away, or without a second
    factor that was just enrolled.
    """
    row = await access.fetchrow(
        """SELECT u.status, u.role, k.password_sealed, k.is_short_password, k.totp_confirmed_at IS NOT NULL AS has_totp
             FROM client_user u
             JOIN credential k ON k.client_id = $1 AND k.user_id = u.user_id
            WHERE u.client_id = $1 AND u.user_id = $2
              FOR SHARE OF u FOR NO KEY UPDATE OF k""",
        account.user_id,
    )
    if row is None or row["status"] != "active":
        return False
    return all(
        row[name] == getattr(account, name) for name in ("role", "password_sealed", "is_short_password", "has_totp")
    )


async def set_password(access: Access, user_id: UUID, sealed: bytes, *, is_short: bool) -> None:
    """The user's password from now on."""
    await access.execute(
        """INSERT INTO credential (client_id, user_id, password_sealed, is_short_password)
           VALUES ($1, $2, $3, $4)
               ON CONFLICT (client_id, user_id)
               DO UPDATE SET password_sealed = $3, is_short_password = $4 WHERE credential.client_id = $1""",
        user_id,
        sealed,
        is_short,
    )


async def rehash(access: Access, user_id: UUID, old: bytes, new: bytes) -> None:
    """The same password with today's parameters, unless it was changed meanwhile."""
    await access.execute(
        "UPDATE credential SET password_sealed = $4 WHERE client_id = $1 AND user_id = $2 AND password_sealed = $3",
        user_id,
        old,
        new,
    )


async def offer_totp(access: Access, user_id: UUID, sealed: bytes) -> bool:
    """Keeps a secret that waits for its first code; False when a confirmed one is there."""
    changed = await access.execute(
        """UPDATE credential
              SET totp_sealed = $3, totp_offered_at = $4
            WHERE client_id = $1 AND user_id = $2 AND totp_confirmed_at IS NULL""",
        user_id,
        sealed,
        access.now,
    )
    return changed == 1


async def confirm_totp(access: Access, user_id: UUID, sealed: bytes, step: int) -> bool:
    """The offered secret counts from now on, and the step that proved it is spent; False when another was faster."""
    changed = await access.execute(
        """UPDATE credential
              SET totp_confirmed_at = $5, totp_last_step = $4
            WHERE client_id = $1 AND user_id = $2
              AND totp_sealed = $3 AND totp_confirmed_at IS NULL AND totp_last_step < $4""",
        user_id,
        sealed,
        step,
        access.now,
    )
    return changed == 1


async def spend_step(access: Access, user_id: UUID, step: int) -> bool:
    """Accepts a step once, for ever: one statement, in the transaction that begins the session (ASVS 6.5.1)."""
    changed = await access.execute(
        """UPDATE credential
              SET totp_last_step = $3
            WHERE client_id = $1 AND user_id = $2 AND totp_confirmed_at IS NOT NULL AND totp_last_step < $3""",
        user_id,
        step,
    )
    return changed == 1


async def remove_totp(access: Access, user_id: UUID) -> None:
    """No second factor any more. The last step stays: its code is not good again for the next secret."""
    await access.execute(
        "UPDATE credential SET totp_sealed = NULL, totp_confirmed_at = NULL WHERE client_id = $1 AND user_id = $2",
        user_id,
    )
    await access.execute("DELETE FROM recovery_code WHERE client_id = $1 AND user_id = $2", user_id)


async def set_recovery_codes(access: Access, user_id: UUID, hashes: Sequence[bytes]) -> None:
    """These codes and no others."""
    await access.execute("DELETE FROM recovery_code WHERE client_id = $1 AND user_id = $2", user_id)
    await access.execute(
        """INSERT INTO recovery_code (client_id, user_id, code_hash)
           SELECT $1, $2, code_hash FROM unnest($3::bytea[]) AS code_hash""",
        user_id,
        list(hashes),
    )


async def spend_recovery_code(access: Access, user_id: UUID, code_hash: bytes) -> bool:
    """Whether the code was there and unused; it is used now."""
    changed = await access.execute(
        """UPDATE recovery_code
              SET used_at = $4
            WHERE client_id = $1 AND user_id = $2 AND code_hash = $3 AND used_at IS NULL""",
        user_id,
        code_hash,
        access.now,
    )
    return changed == 1
