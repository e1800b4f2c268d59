"""Signing in: password, then code (04.1). Each attempt is counted before it is looked at, each outcome is an event.

An e-mail that nobody has goes the same way as one that somebody has, in the platform's own log instead of a client's,
and with a key of its own (`nobody`): the answers are equal in status, in time and in bytes.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from auth import account as accounts
from auth import nobody, pair, throttle, totp
from auth.account import Account
from auth.glance import glance
from auth.nobody import NOBODY
from auth.office import Office
from auth.secret import Kind, Secret
from auth.session import (
    CHALLENGE_ATTEMPTS,
    CHALLENGE_SECONDS,
    ChallengeAnswer,
    Challenged,
    SignedIn,
    SignIn,
)
from auth.store import challenge as challenge_store
from auth.store import credential as store
from auth.store import device as device_store
from auth.store import login as login_store
from auth.store import user as user_store
from auth.store.challenge import Pending
from auth.visitor import Visitor, deny, name_user
from events.access import PLATFORM, Action
from events.uuid7 import uuid7
from guard import errors
from guard.access import Access, Entry
from guard.identity import Caller
from guard.keys import SubjectKey

_WRONG = "The e-mail address and the password do not match."
_WRONG_CODE = "The challenge or the code is not valid."
LOCKED = "; no more attempts are accepted for now"


async def with_password(office: Office, door: Entry, visitor: Visitor, body: SignIn) -> SignedIn | Challenged:
    """A session, or a challenge for the second factor. Raises Unauthenticated, TooMany.

    Four short transactions, and the hash between the last two: nothing is open meanwhile (ADR 13).
    """
    email_index = office.addresses.index(body.email)
    device = None if body.device_token is None else Secret.read(Kind.DEVICE, body.device_token)
    async with door.door.platform() as connection:
        client_id, user_id = await login_store.find(connection, email_index) or (PLATFORM, NOBODY)
        if device is None:
            gates = office.throttle.password(email_index, visitor.ip, None)
            await throttle.look(connection, gates, door.door.clock.now())
    caller = visitor.caller(door.door, client_id)
    async with office.hasher.slot():
        # First of all: with OpenBao away no attempt is looked at, so none is counted.
        seen = await _glance(office, door, caller, device, user_id)
        gates = office.throttle.password(email_index, visitor.ip, seen.device.row_id if seen.device else None)
        # In a transaction of its own: the attempt stays counted, whatever becomes of the rest.
        async with door.door.platform() as connection:
            is_last = await throttle.reserve(connection, gates, door.door.clock.now())
        compared = await _compare(office, seen, body.password)
        async with door.open(caller, Action.SESSION_CREATE) as access:
            answer = await _judge_password(office, access, visitor, seen, compared, is_last=is_last)
            if answer is not None:
                await throttle.give_back(access.connection, _forgiven(office, gates, email_index))
    if answer is None:
        raise errors.Unauthenticated(_WRONG)
    return answer


@dataclass(frozen=True, slots=True, repr=False)
class _Seen:
    """Who is asked for and what the password is compared with, as it was before the hash."""

    account: Account | None
    key: SubjectKey | None
    device: Secret | None


@dataclass(frozen=True, slots=True, repr=False)
class _Compared:
    """Whether the password is right, and its new hash when the stored one has other parameters than today's."""

    is_right: bool
    renewed: str | None


async def _glance(office: Office, door: Entry, caller: Caller, device: Secret | None, user_id: UUID) -> _Seen:
    async with glance(door.door, caller, Action.SESSION_CREATE) as access:
        account = await store.find(access, user_id)
        known = await _known(access, device, user_id)
        return _Seen(account, await nobody.key_of(office.vault, access, user_id), known)


async def _compare(office: Office, seen: _Seen, password: str) -> _Compared:
    stored = None if seen.account is None else seen.account.password_hash(seen.key)
    is_right = await office.hasher.matches(stored, password)
    is_outdated = stored is not None and is_right and office.hasher.is_outdated(stored)
    return _Compared(is_right, await office.hasher.hash(password) if is_outdated else None)


async def _judge_password(
    office: Office, access: Access, visitor: Visitor, seen: _Seen, compared: _Compared, *, is_last: bool
) -> SignedIn | Challenged | None:
    account, key = seen.account, seen.key
    if account is None or key is None or not compared.is_right:
        _deny(access, account, "wrong password", is_last=is_last)
        return None
    if not await store.still_holds(access, account):
        _deny(access, account, "the user is disabled, or was changed meanwhile", is_last=is_last)
        return None
    access.touch("user", account.user_id)
    if compared.renewed is not None and account.password_sealed is not None:
        renewed = accounts.seal_password(key, account.user_id, compared.renewed)
        await store.rehash(access, account.user_id, account.password_sealed, renewed)
    # Once more: a change of factors that ended during the hash has forgotten devices.
    known = await _known(access, seen.device, account.user_id)
    if account.has_totp:
        name_user(access, account.user_id, account.role, reason="a code was asked for")
        return await _challenge(access, account, known)
    name_user(access, account.user_id, account.role)
    return await pair.begin(office, access, account, key, visitor, device=known)


def _forgiven(office: Office, gates: list[throttle.Gate], email_index: bytes) -> list[throttle.Gate]:
    # The owner was here: guesses from elsewhere are not in a row any more.
    account = office.throttle.account(email_index)
    return gates if account.key in {gate.key for gate in gates} else [*gates, account]


async def _known(access: Access, device: Secret | None, user_id: UUID) -> Secret | None:
    if device is None or device.client_id != access.client_id:
        return None
    stored = await device_store.find(access, device.row_id, user_id)
    return device if stored is not None and device.matches(stored) else None


async def _challenge(access: Access, account: Account, known: Secret | None) -> Challenged:
    secret = Secret.new(Kind.CHALLENGE, access.client_id, uuid7(access.now))
    await challenge_store.add(
        access,
        secret.row_id,
        Pending(account.user_id, known.row_id if known else None),
        secret.digest,
        attempts=CHALLENGE_ATTEMPTS,
        expires_at=access.now + timedelta(seconds=CHALLENGE_SECONDS),
    )
    return Challenged(challenge=secret.text)


async def with_code(office: Office, door: Entry, visitor: Visitor, body: ChallengeAnswer) -> SignedIn:
    """The session of a challenge that is met. Raises Unauthenticated, TooMany."""
    secret = Secret.read(Kind.CHALLENGE, body.challenge)
    if secret is None:
        raise errors.Unauthenticated(_WRONG_CODE)
    async with door.open(visitor.caller(door.door, secret.client_id), Action.SESSION_CHALLENGE) as access:
        pending = await challenge_store.attempt(access, secret.row_id, secret.digest)
        if pending is None:
            raise errors.Unauthenticated(_WRONG_CODE)  # nobody's, or spent: there is no attempt to tell of
        answer = await _judge_code(office, access, visitor, body.code, pending=pending, challenge_id=secret.row_id)
    if answer is None:
        raise errors.Unauthenticated(_WRONG_CODE)
    return answer


async def _judge_code(
    office: Office, access: Access, visitor: Visitor, code: str, *, pending: Pending, challenge_id: UUID
) -> SignedIn | None:
    # Counted in the transaction that looks: both rows stay locked, so no second guess is looked at beside this one.
    gates = office.throttle.code(pending.user_id, pending.device_id)
    is_last = await throttle.reserve(access.connection, gates, access.now)
    account = await store.find(access, pending.user_id)
    key = (await access.subject_keys([pending.user_id])).get(pending.user_id)
    if account is None or key is None or not await accepts(access, account, key, code):
        _deny(access, account, "wrong code", is_last=is_last)
        return None
    if not await user_store.holds_active(access, account.user_id):
        _deny(access, account, "the user is disabled", is_last=is_last)
        return None
    access.touch("user", account.user_id)
    name_user(access, account.user_id, account.role)
    await challenge_store.end(access, challenge_id)
    # A new token for a device that is known too: its old one was not shown here, and stays good.
    answer = await pair.begin(office, access, account, key, visitor, device=None)
    await throttle.give_back(access.connection, gates)
    return answer


async def accepts(access: Access, account: Account, key: SubjectKey, code: str) -> bool:
    """Whether the code is good now, and spends it: a one-time code of a step that was not used, or a recovery code."""
    secret = account.totp_secret(key)
    if not account.has_totp or secret is None:
        return False
    step = totp.step_of(secret, code, access.now)
    if step is not None:
        return await store.spend_step(access, account.user_id, step)
    recovery = totp.recovery_hash(account.user_id, code)
    return recovery is not None and await store.spend_recovery_code(access, account.user_id, recovery)


def _deny(access: Access, account: Account | None, reason: str, *, is_last: bool) -> None:
    if account is None:
        access.touch_none()
    else:
        access.touch("user", account.user_id)
    deny(access, reason + LOCKED if is_last else reason)
