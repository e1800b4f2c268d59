"""04.1: hashes are Argon2id as stated; whoever has none is compared with nobody's; too many who wait are sent away."""

import asyncio
import threading

import pytest

from auth import password
from auth.password import Hasher
from guard.errors import Unavailable

TEXT = "a lantern beside the estuary 47"


@pytest.fixture
def hasher():
    made = Hasher()
    yield made
    made.close()


async def test_a_wrong_password(hasher: Hasher) -> None:
    assert not await hasher.matches(await hasher.hash(TEXT), TEXT + " ")


@pytest.mark.parametrize("other", [TEXT.upper(), TEXT.title(), f" {TEXT}", TEXT.replace(" ", ""), TEXT[:-1]])
async def test_another_case_or_another_space(hasher: Hasher, other: str) -> None:
    assert not await hasher.matches(await hasher.hash(TEXT), other)


async def test_no_stored_hash(hasher: Hasher) -> None:
    assert not await hasher.matches(None, TEXT)


async def test_a_stored_text_that_is_no_hash(hasher: Hasher) -> None:
    assert not await hasher.matches("plain", "plain")


async def test_cutting_would_be_seen(hasher: Hasher) -> None:
    long = "é" * 127
    assert not await hasher.matches(await hasher.hash(long + "a"), long + "b")


async def test_parameters(hasher: Hasher) -> None:
    stored = await hasher.hash(TEXT)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not hasher.is_outdated(stored)
    assert hasher.is_outdated(stored.replace("t=3", "t=2"))


async def test_one_password_typed_on_two_keyboards(hasher: Hasher) -> None:
    assert await hasher.matches(await hasher.hash("Zwo\u0308lf Boxka\u0308mpfer"), "Zwölf Boxkämpfer")


async def test_too_many_who_wait(hasher: Hasher) -> None:
    release = asyncio.Event()

    async def hold() -> None:
        async with hasher.slot():
            await release.wait()

    held = [asyncio.create_task(hold()) for _ in range(password._WORKERS + 1 + password._QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        async with hasher.slot():
            pass
    release.set()
    await asyncio.gather(*held)
    async with hasher.slot():  # and when they are gone, there is room again
        pass


async def test_a_password_that_is_scored_holds_no_hash_up(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(password, "check", lambda *_, **__: release.wait(30))
    scored = [asyncio.create_task(hasher.check(TEXT, [], may_be_short=False)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not await hasher.matches(None, TEXT)
    assert not any(one.done() for one in scored)
    release.set()
    await asyncio.gather(*scored)


async def test_too_many_who_want_a_score(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(password, "check", lambda *_, **__: release.wait(20))
    waiting = [asyncio.create_task(hasher.check(TEXT, [], may_be_short=False)) for _ in range(password._QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await hasher.check(TEXT, [], may_be_short=False)
    release.set()
    await asyncio.gather(*waiting)
    await hasher.check(TEXT, [], may_be_short=False)  # there is room again
