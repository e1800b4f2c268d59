"""04.1: what changes while a password is hashed counts: no session, no factor and no password rests on what was before.

The office under test is in this process, so that its hash waits where the test says so; the changes come from outside.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from auth import inviting, own
from auth.own import PasswordChange, TotpRemoval
from auth.session import Challenged, SignedIn
from auth.user import Activation
from guard import errors
from guard.access import Entry
from guard.identity import Caller
from guard.rights import ROLES
from support.bureau import Bureau, bureau
from support.hotel import PASSWORD, Hotel, Person, activate, expect, invite
from support.machine import Machine
from support.newcomer import newcomer

NEW, OTHER = "seven quiet herons under glass", "nine loud otters above the weir"


@pytest.fixture
async def auth(stack: Machine) -> AsyncIterator[Bureau]:
    async with bureau(stack) as opened:
        yield opened


@pytest.fixture
def entry(auth: Bureau) -> Entry:
    return auth.door.entry()


async def until_hashed(auth: Bureau, work: asyncio.Task[object]) -> None:
    """Waits until the work knows whether the password is right, and has not acted on it."""
    reached = asyncio.create_task(auth.hasher.gate.reached.wait())
    done, _ = await asyncio.wait({work, reached}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    reached.cancel()
    assert reached in done, "it did not come to its hash"


async def refused(auth: Bureau, entry: Entry, work: asyncio.Task[object], hotel: Hotel) -> None:
    """Lets the work go on: it is answered 401, and the refusal is in the client's log."""
    auth.hasher.gate.opened.set()
    with pytest.raises(errors.Unauthenticated):
        await work
    told = await asyncio.to_thread(hotel.event, entry.state["access_event"])
    assert told["outcome"] == "denied"
    assert "meanwhile" in told["reason"]


def caller(person: Person, hotel: Hotel) -> Caller:
    return Caller(
        "user", person.user_id, person.role, hotel.client_id, ROLES[person.role], "127.0.0.1", "test", "request",
        session_id=UUID(person.session["session_id"]),
    )  # fmt: skip


async def test_nothing_changed(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    auth.hasher.gate.opened.set()
    auth.signing.opened.set()
    assert isinstance(await auth.sign_in(newcomer(otter), entry), SignedIn)


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"status": "disabled"}])
async def test_a_sign_in_beside_a_change_of_the_user(
    auth: Bureau, entry: Entry, otter: Hotel, change: dict[str, str]
) -> None:
    person = newcomer(otter, "admin")
    work = asyncio.create_task(auth.sign_in(person, entry))
    await until_hashed(auth, work)
    expect(otter.admin.patch(f"/v1/users/{person.user_id}", json=change), 200)
    auth.signing.opened.set()
    await refused(auth, entry, work, otter)


async def test_a_sign_in_beside_an_enrolment(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    person = newcomer(otter)
    work = asyncio.create_task(auth.sign_in(person, entry))
    await until_hashed(auth, work)
    person.enrol()
    auth.signing.opened.set()
    await refused(auth, entry, work, otter)


async def test_a_sign_in_beside_a_change_of_password(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    person = newcomer(otter)
    work = asyncio.create_task(auth.sign_in(person, entry))
    await until_hashed(auth, work)
    expect(person.put("/v1/users/me/password", json={"current_password": PASSWORD, "new_password": NEW}), 204)
    auth.signing.opened.set()
    await refused(auth, entry, work, otter)


async def test_of_two_changes_of_password_the_first_that_is_answered_stays(
    auth: Bureau, entry: Entry, otter: Hotel
) -> None:
    person = newcomer(otter)
    body = PasswordChange(current_password=PASSWORD, new_password=OTHER)
    work = asyncio.create_task(own.change_password(auth.office, entry, caller(person, otter), body))
    await until_hashed(auth, work)
    expect(person.put("/v1/users/me/password", json={"current_password": PASSWORD, "new_password": NEW}), 204)
    await refused(auth, entry, work, otter)
    person.password = NEW
    expect(person.sign_in(), 201)


async def test_a_change_of_password_in_a_session_that_was_ended(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    person = newcomer(otter)
    body = PasswordChange(current_password=PASSWORD, new_password=OTHER)
    work = asyncio.create_task(own.change_password(auth.office, entry, caller(person, otter), body))
    await until_hashed(auth, work)
    owner = Person(otter.http, person.email, person.role)
    expect(owner.sign_in(), 201)
    expect(owner.delete("/v1/sessions"), 204)
    await refused(auth, entry, work, otter)
    expect(owner.sign_in(), 201)


async def test_a_second_factor_removed_with_a_password_that_was(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    email, token = invite(otter.admin, "agent")
    person = activate(otter.http, email, "agent", token)
    assert person.totp is not None
    body = TotpRemoval(password=PASSWORD, code=person.totp.code())
    work = asyncio.create_task(own.remove_totp(auth.office, entry, caller(person, otter), body))
    await until_hashed(auth, work)
    expect(person.put("/v1/users/me/password", json={"current_password": PASSWORD, "new_password": NEW}), 204)
    await refused(auth, entry, work, otter)


async def test_a_sign_in_holds_no_connection_while_it_hashes(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    work = asyncio.create_task(auth.sign_in(newcomer(otter), entry))
    await until_hashed(auth, work)
    await nothing_is_borrowed(auth)
    auth.hasher.gate.opened.set()
    auth.signing.opened.set()
    await work


async def test_an_e_mail_that_nobody_has_holds_none_either(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    work = asyncio.create_task(auth.sign_in(Person(otter.http, "nobody.at.all@example.com", "agent"), entry))
    await until_hashed(auth, work)
    await nothing_is_borrowed(auth)
    auth.hasher.gate.opened.set()
    with pytest.raises(errors.Unauthenticated):
        await work


async def test_an_activation_holds_none(
    auth: Bureau, entry: Entry, otter: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_of = auth.hasher.hash

    async def slowly(password: str) -> str:
        await auth.hasher.gate.wait()
        return await hash_of(password)

    monkeypatch.setattr(auth.hasher, "hash", slowly)
    email, token = invite(otter.admin, "agent")
    body = Activation(token=token, password=PASSWORD)
    work = asyncio.create_task(inviting.activate(auth.office, entry, auth.visitor(), body))
    await until_hashed(auth, work)
    await nothing_is_borrowed(auth)
    auth.hasher.gate.opened.set()
    await work
    expect(Person(otter.http, email, "agent").sign_in(), 201)


async def test_a_second_factor_asks_for_its_code(auth: Bureau, entry: Entry, otter: Hotel) -> None:
    auth.hasher.gate.opened.set()
    assert isinstance(await auth.sign_in(otter.agent, entry), Challenged)


async def nothing_is_borrowed(auth: Bureau) -> None:
    for _ in range(20):  # a connection goes home in a task of its own
        if auth.borrowed == 0:
            return
        await asyncio.sleep(0.05)
    assert auth.borrowed == 0
