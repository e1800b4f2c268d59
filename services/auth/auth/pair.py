"""Pairs of tokens: the one that begins a session, and each that continues it, once (04.1, RFC 9700 4.14.2)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import revocation, session
from auth.account import Account
from auth.office import Office
from auth.secret import Kind, Secret
from auth.session import RefreshRow, SessionRow, SignedIn, Tokens
from auth.store import credential as credential_store
from auth.store import device as device_store
from auth.store import session as store
from auth.store import user as user_store
from auth.user import User, words
from auth.visitor import Visitor, deny, label, name_user
from events.access import Action
from events.revocation import Revoked
from events.uuid7 import uuid7
from guard import errors
from guard.access import Access, Entry
from guard.keys import SubjectKey

_OVER = "The refresh token is not valid any more."


@dataclass(frozen=True, slots=True)
class Refused:
    """A refresh that was answered with a refusal, and the sessions that ended with it."""

    revoked: list[Revoked]


async def begin(
    office: Office, access: Access, account: Account, key: SubjectKey, visitor: Visitor, *, device: Secret | None
) -> SignedIn:
    """A session and its first pair, in the transaction that accepted the last factor. `device`: one that is known."""
    if device is None:
        device = Secret.new(Kind.DEVICE, access.client_id, uuid7(access.now))
        await device_store.add(access, device.row_id, account.user_id, device.digest)
    else:
        await device_store.use(access, device.row_id)
    session_id = uuid7(access.now)
    origin = session.seal(key, session_id, ip=visitor.ip, user_agent=visitor.user_agent)
    row = SessionRow(session_id, account.user_id, device.row_id, origin, access.now, access.now, None)
    await store.add(access, row)
    access.touch("session", session_id)
    pair = await _pair(office, access, account, session_id, access.now)
    return SignedIn(**pair.model_dump(), device_token=device.text, user=_shown(account, key))


async def access_token(
    office: Office, access: Access, account: Account, session_id: UUID, begun_at: datetime
) -> tuple[str, int]:
    """A token for a session, and for how many seconds it is good."""
    seconds = account.token_seconds(begun_at, access.now)
    said = session.claims(account, session_id, begun_at, label(account.user_id, account.role))
    return await office.signer.mint(access.client_id, said, seconds), seconds


async def refresh(office: Office, door: Entry, visitor: Visitor, text: str) -> Tokens:
    """The next pair for a refresh token that was never used. Raises Unauthenticated for any other.

    A used one that comes back was stolen, or its successor was: nobody can tell from whom, so the family ends.
    """
    secret = Secret.read(Kind.REFRESH, text)
    if secret is None:
        raise errors.Unauthenticated(_OVER)
    async with door.open(visitor.caller(door.door, secret.client_id), Action.SESSION_REFRESH) as access:
        row = await store.find_refresh(access, secret.row_id)
        if row is None or not secret.matches(row.secret_hash):
            raise errors.Unauthenticated(_OVER)  # nobody's token: rolled back, there is no account to tell
        answer = await _continue(office, access, row, visitor, secret.row_id)
    if isinstance(answer, Refused):
        await office.herald.announce(answer.revoked)
        raise errors.Unauthenticated(_OVER)
    return answer


async def _continue(
    office: Office, access: Access, row: RefreshRow, visitor: Visitor, token_id: UUID
) -> Tokens | Refused:
    old = row.session
    access.touch("session", old.session_id)
    is_first_use = await store.spend_refresh(access, token_id)
    account = await credential_store.find(access, old.user_id)
    key = (await access.subject_keys([old.user_id])).get(old.user_id)
    if account is None or key is None:
        raise errors.Unauthenticated(_OVER)
    name_user(access, account.user_id, account.role)
    if not is_first_use:
        deny(access, "a refresh token came back: the session was ended")
        ended = await store.end(access, old.user_id, old.session_id)
        return Refused(await revocation.end_sessions(access, [old.session_id] if ended else []))
    if account.is_over(old.created_at, old.used_at, access.now):
        deny(access, "the session had expired")
        await store.end(access, old.user_id, old.session_id)
        return Refused([])
    origin = session.seal(key, old.session_id, ip=visitor.ip, user_agent=visitor.user_agent)
    # In this order: whoever disables the user holds the same row, so that no pair slips out beside it.
    if not await user_store.holds_active(access, old.user_id) or not await store.use(access, old.session_id, origin):
        deny(access, "the session had ended")
        return Refused([])
    return await _pair(office, access, account, old.session_id, old.created_at)


async def _pair(office: Office, access: Access, account: Account, session_id: UUID, begun_at: datetime) -> Tokens:
    secret = Secret.new(Kind.REFRESH, access.client_id, uuid7(access.now))
    await store.add_refresh(access, secret.row_id, session_id, secret.digest)
    token, seconds = await access_token(office, access, account, session_id, begun_at)
    return Tokens(access_token=token, expires_in=seconds, refresh_token=secret.text, session_id=session_id)


def _shown(account: Account, key: SubjectKey) -> User:
    content = words(key, account.user_id, account.sealed)
    return User.model_validate(
        {
            "id": account.user_id,
            "email": content["email"],
            "name": content["name"],
            "role": account.role,
            "status": account.status,
            "totp_enrolled": account.has_totp,
            "version": account.version,
            "created_at": account.created_at,
        }
    )
