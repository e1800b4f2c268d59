"""What a user proves itself with, changed by itself: password and second factor (04.1).

Who asks for it must show the factor again: a stolen session alone changes none that is there (ASVS 7.5.1).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from auth import account as accounts
from auth import pair, password, revocation, sign_in, throttle, totp, user
from auth.account import Account
from auth.glance import glance
from auth.office import Office
from auth.session import Code, Password
from auth.store import challenge as challenge_store
from auth.store import credential as store
from auth.store import device as device_store
from auth.store import session as session_store
from auth.visitor import deny
from events.access import Action
from events.revocation import Revoked
from guard import errors
from guard.access import Access, Entry
from guard.body import Body
from guard.identity import Caller
from guard.keys import SubjectKey

_FRESH = timedelta(minutes=5)  # after the password; enrolling takes no factor, so a stolen token must not be enough
_WRONG = "The password or the code is not right."
_MEANWHILE = "the password, the second factor or the session was changed meanwhile"


class PasswordChange(Body):
    """The password that is, and the one that shall be."""

    current_password: Password
    new_password: Password


class TotpCode(Body):
    """The first code of a new second factor."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class TotpRemoval(Body):
    """Both factors, once more."""

    password: Password
    code: Code


class TotpOffer(BaseModel):
    """A secret for an authenticator; it counts when its first code is shown."""

    secret: str
    otpauth_uri: str


class TotpConfirmed(BaseModel):
    """Ten codes, each good once in place of a one-time code, and a token that owes nothing any more. Shown once."""

    recovery_codes: list[str]
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750's word
    expires_in: int


@dataclass(frozen=True, slots=True, repr=False)
class _Self:
    """The caller with its credential, its key and its session."""

    account: Account
    key: SubjectKey
    session_id: UUID


async def change_password(office: Office, door: Entry, caller: Caller, body: PasswordChange) -> None:
    """Raises Unauthenticated for a wrong current password, TooGuessable for the new one."""
    gates = await _reserve(office, door, caller)
    seen = await _glance(door, caller, Action.USER_PASSWORD)
    if seen is not None:
        # First: its refusal behind the comparison would tell that the present one was right, and no log would tell it.
        await _check_new(office, seen, body.new_password)
    is_right = await _is_password(office, seen, body.current_password)
    sealed = await _sealed_password(office, seen, body.new_password) if seen and is_right else None
    revoked: list[Revoked] | None = None
    async with door.open(caller, Action.USER_PASSWORD) as access:
        me = await _self(access, caller)
        if seen is None or sealed is None:
            deny(access, "wrong password")
        elif not await _still_holds(access, seen):
            deny(access, _MEANWHILE)
        else:
            is_short = password.is_short(body.new_password)
            await store.set_password(access, me.account.user_id, sealed, is_short=is_short)
            revoked = await _end_the_rest(access, me)
            await throttle.give_back(access.connection, gates)
    await _finish(office, revoked)


async def offer_totp(door: Entry, caller: Caller) -> TotpOffer:
    """A new secret; one that was offered before is void. Raises Conflict while a confirmed one is there.

    Raises SignInAgain in a session that began over five minutes ago (ADR 11).
    """
    offer: TotpOffer | None = None
    async with door.open(caller, Action.TOTP_ENROL) as access:
        me = await _self(access, caller)
        if access.now - await _begun_at(access, me) > _FRESH:
            deny(access, "the password was entered more than five minutes ago")
        else:
            offer = await _offer(access, me)
    if offer is None:
        raise errors.SignInAgain("Sign in again, then enrol within five minutes.")
    return offer


async def _offer(access: Access, me: _Self) -> TotpOffer:
    secret = totp.new_secret()
    sealed = accounts.seal_totp(me.key, me.account.user_id, secret)
    if not await store.offer_totp(access, me.account.user_id, sealed):
        raise errors.Conflict("A second factor is enrolled: remove it first.")
    email = user.words(me.key, me.account.user_id, me.account.sealed)["email"]
    return TotpOffer(secret=secret, otpauth_uri=totp.address(secret, email))


async def confirm_totp(office: Office, door: Entry, caller: Caller, body: TotpCode) -> TotpConfirmed:
    """The offered secret counts from now on. Raises Invalid for a wrong code, Conflict when nothing was offered.

    Raises TooMany: who holds a stolen session was not shown the secret, and must not find it by trying.
    """
    confirmed: tuple[TotpConfirmed, list[Revoked]] | None = None
    async with door.open(caller, Action.TOTP_CONFIRM) as access:
        me = await _self(access, caller)
        if not me.account.waits_for_code(access.now):
            raise errors.Conflict("There is no second factor that waits for its first code.")
        # Counted in the transaction that looks, for this session alone: a stolen one locks no owner out of enrolling.
        gates = office.throttle.first_code(me.session_id)
        is_last = await throttle.reserve(access.connection, gates, access.now)
        if await _is_first_code(access, me, body.code):
            confirmed = await _enrolled(office, access, caller, me)
            await throttle.give_back(access.connection, gates)
        else:
            deny(access, "wrong code" + sign_in.LOCKED if is_last else "wrong code")
    if confirmed is None:
        raise errors.Invalid([("/code", "This is not the code of this moment.")])
    answer, revoked = confirmed
    await office.herald.announce(revoked)
    return answer


async def _is_first_code(access: Access, me: _Self, code: str) -> bool:
    secret, sealed = me.account.totp_secret(me.key), me.account.totp_sealed
    step = None if secret is None else totp.step_of(secret, code, access.now)
    if step is None or sealed is None:
        return False
    return await store.confirm_totp(access, me.account.user_id, sealed, step)


async def _enrolled(office: Office, access: Access, caller: Caller, me: _Self) -> tuple[TotpConfirmed, list[Revoked]]:
    codes = totp.new_recovery_codes()
    hashes = [totp.recovery_hash(me.account.user_id, code) for code in codes]
    await store.set_recovery_codes(access, me.account.user_id, [known for known in hashes if known is not None])
    revoked = await _end_the_rest(access, me)
    now_enrolled = (await _self(access, caller)).account
    begun_at = await _begun_at(access, me)
    token, seconds = await pair.access_token(office, access, now_enrolled, me.session_id, begun_at)
    return TotpConfirmed(recovery_codes=codes, access_token=token, expires_in=seconds), revoked


async def remove_totp(office: Office, door: Entry, caller: Caller, body: TotpRemoval) -> None:
    """Raises Unauthenticated unless both factors are right, Conflict when the second one is needed."""
    gates = await _reserve(office, door, caller)
    seen = await _glance(door, caller, Action.TOTP_REMOVE)
    is_right = await _is_password(office, seen, body.password)
    revoked: list[Revoked] | None = None
    async with door.open(caller, Action.TOTP_REMOVE) as access:
        me = await _self(access, caller)
        if me.account.needs_totp:
            raise errors.Conflict("The second factor is needed: by your client, or because the password is short.")
        if seen is None or not is_right:
            deny(access, "wrong password")
        elif not await _is_code(office, access, me, body.code):
            deny(access, "wrong code")
        elif not await _still_holds(access, seen):
            # After the code: whoever signs in with one locks in this order too.
            deny(access, _MEANWHILE)
        else:
            await store.remove_totp(access, me.account.user_id)
            revoked = await _end_the_rest(access, me)
            await throttle.give_back(access.connection, gates)
    await _finish(office, revoked)


async def _reserve(office: Office, door: Entry, caller: Caller) -> list[throttle.Gate]:
    if caller.session_id is None:
        raise errors.Unauthenticated
    gates = office.throttle.in_session(caller.session_id)
    async with door.door.platform() as connection:
        await throttle.reserve(connection, gates, door.door.clock.now())
    return gates


async def _self(access: Access, caller: Caller) -> _Self:
    user_id = UUID(caller.id)
    account = await store.find(access, user_id)
    if account is None or caller.session_id is None:
        access.missed("user", user_id)
    access.touch("user", user_id)
    return _Self(account, await access.subject_key(user_id), caller.session_id)


async def _glance(door: Entry, caller: Caller, action: Action) -> _Self | None:
    # Without a user there is nothing to compare with; that it is missed, `_self` says in the door, and in the log.
    user_id = UUID(caller.id)
    async with glance(door.door, caller, action) as access:
        account = await store.find(access, user_id)
        key = (await access.subject_keys([user_id])).get(user_id)
    if account is None or key is None or caller.session_id is None:
        return None
    return _Self(account, key, caller.session_id)


async def _is_password(office: Office, seen: _Self | None, given: str) -> bool:
    async with office.hasher.slot():
        return await office.hasher.matches(seen.account.password_hash(seen.key) if seen else None, given)


async def _still_holds(access: Access, seen: _Self) -> bool:
    # Of two changes at once the later must not win over one that was already answered, nor a session that was ended.
    if not await store.still_holds(access, seen.account):
        return False
    session = await session_store.find(access, seen.session_id, seen.account.user_id)
    return session is not None and session.ended_at is None


async def _is_code(office: Office, access: Access, me: _Self, code: str) -> bool:
    # The account's own count, the same as at sign-in: no second door for guessing (CVE-2025-64102 was one).
    gates = office.throttle.code(me.account.user_id, None)
    await throttle.reserve(access.connection, gates, access.now)
    is_right = await sign_in.accepts(access, me.account, me.key, code)
    if is_right:
        await throttle.give_back(access.connection, gates)
    return is_right


async def _check_new(office: Office, me: _Self, new: str) -> None:
    content = user.words(me.key, me.account.user_id, me.account.sealed)
    known = [content["email"], content["name"], me.account.client_name]
    may_be_short = me.account.has_totp or me.account.totp_required
    await office.hasher.check(new, known, may_be_short=may_be_short, pointer="/new_password")


async def _sealed_password(office: Office, me: _Self, new: str) -> bytes:
    async with office.hasher.slot():
        return accounts.seal_password(me.key, me.account.user_id, await office.hasher.hash(new))


async def _end_the_rest(access: Access, me: _Self) -> list[Revoked]:
    # What another has begun with the old factor must not outlive it (ASVS 7.4.3).
    user_id = me.account.user_id
    await challenge_store.end_all(access, user_id)
    session = await session_store.find(access, me.session_id, user_id)
    await device_store.forget(access, user_id, but=session.device_id if session else None)
    return await revocation.end_sessions(access, await session_store.end_all(access, user_id, but=me.session_id))


async def _begun_at(access: Access, me: _Self) -> datetime:
    session = await session_store.find(access, me.session_id, me.account.user_id)
    if session is None:
        raise errors.Unauthenticated
    return session.created_at


async def _finish(office: Office, revoked: list[Revoked] | None) -> None:
    if revoked is None:
        raise errors.Unauthenticated(_WRONG)
    await office.herald.announce(revoked)
