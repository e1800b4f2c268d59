"""Bringing a user in: its row, its e-mail in the directory, and the token that sets its first password (72 h, once)."""

from datetime import timedelta

from auth import account as accounts
from auth import password, user
from auth.glance import glance
from auth.office import Office
from auth.secret import Kind, Secret
from auth.store import credential as credential_store
from auth.store import invitation as store
from auth.store import login as login_store
from auth.store import user as user_store
from auth.user import Activation, Invite, Invited, UserRow
from auth.visitor import Visitor, name_user
from events.access import Action
from events.uuid7 import uuid7
from guard import errors
from guard.access import Access, Entry
from guard.identity import Caller

TAKEN = "the e-mail address is taken"
VALID = timedelta(hours=72)
_VOID = "The activation token is not valid any more."


class Taken(errors.Conflict):
    """Somebody on the platform has the e-mail. Whoever answers with it tells the log first: a guess is an access."""

    def __init__(self) -> None:
        super().__init__("This e-mail address is taken.")


async def invite(office: Office, access: Access, body: Invite) -> Invited:
    """A new user of the caller's client. Raises Taken when anybody on the platform has the e-mail."""
    user_id = uuid7(access.now)
    key = await access.new_subject_key(user_id)
    row = UserRow(
        user_id=user_id,
        email_index=office.addresses.index(body.email),
        sealed=user.seal(key, user_id, email=body.email, name=body.name),
        role=body.role,
        status="invited",
        has_totp=False,
        version=1,
        created_at=access.now,
    )
    await user_store.add(access, row)
    if not await login_store.claim(access, row.email_index, user_id):
        raise Taken
    access.touch("user", user_id)
    return Invited(user=user.reveal(row, key), activation_token=await token(access, row))


async def token(access: Access, row: UserRow) -> str:
    """A fresh activation token; those before are void."""
    secret = Secret.new(Kind.ACTIVATION, access.client_id, uuid7(access.now))
    await store.renew(access, secret.row_id, row.user_id, secret.digest, access.now + VALID)
    return secret.text


async def activate(office: Office, door: Entry, visitor: Visitor, body: Activation) -> None:
    """The user's first password. Raises Unauthenticated for a void token, TooGuessable: it stays good."""
    secret = Secret.read(Kind.ACTIVATION, body.token)
    if secret is None:
        raise errors.Unauthenticated(_VOID)
    caller = visitor.caller(door.door, secret.client_id)
    sealed = await _sealed_password(office, door, caller, secret, body.password)
    async with door.open(caller, Action.USER_ACTIVATE) as access:
        user_id = await store.accept(access, secret.row_id, secret.digest)
        account = None if user_id is None else await credential_store.find(access, user_id)
        if account is None or account.status != "invited":
            raise errors.Unauthenticated(_VOID)
        access.touch("user", account.user_id)
        name_user(access, account.user_id, account.role)
        is_short = password.is_short(body.password)
        await credential_store.set_password(access, account.user_id, sealed, is_short=is_short)
        await user_store.activate(access, account.user_id)


async def _sealed_password(office: Office, door: Entry, caller: Caller, secret: Secret, new: str) -> bytes:
    async with glance(door.door, caller, Action.USER_ACTIVATE) as access:
        user_id = await store.find(access, secret.row_id, secret.digest)
        account = None if user_id is None else await credential_store.find(access, user_id)
        if account is None or account.status != "invited":
            raise errors.Unauthenticated(_VOID)
        key = await access.subject_key(account.user_id)
    content = user.words(key, account.user_id, account.sealed)
    known = [content["email"], content["name"], account.client_name]
    await office.hasher.check(new, known, may_be_short=account.needs_totp)
    async with office.hasher.slot():
        return accounts.seal_password(key, account.user_id, await office.hasher.hash(new))
