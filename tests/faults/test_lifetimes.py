"""02.3, 02.1, 04.3: certificates, database users, tokens and keys turn under load, three times, and nobody notices.

A stack of its own, whose certificates live 45 seconds and database users 12.
"""

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest

from guard import rewrapping
from stack import identity, renewal, trust
from support.database import superuser
from support.hotel import Hotel, Person, found
from support.ledger import Ledger, waiting
from support.machine import Machine, settings
from support.newcomer import newcomer
from support.turns import SIGNING, Turns, keys_of, turner
from support.workload import door

TURNS = 3
TURN_EVERY = 12.0  # seconds between two turns of transit keys: longer than a new signing key waits before it signs
LONGEST = 240  # seconds under load; alone it takes about fifty
READERS = 4


@pytest.fixture(scope="module")
def brief() -> Iterator[Machine]:
    usual = settings()
    run = usual.run.with_name(f"{usual.run.name}-brief")
    starting = replace(usual, run=run, port=usual.port + 100, cert_ttl=600, db_ttl=12, key_grace_seconds=10.0)
    machine = Machine(replace(starting, cert_ttl=45))
    try:
        # First with certificates that outlive a slow start: the keeper, which renews Kafka's, starts after Kafka. From
        # then on whoever asks gets the short ones: OpenBao gives no more than the role allows.
        Machine(starting).up()
        asyncio.run(trust.reconcile(machine.stack))
        for name in (renewal.KEEPER, *renewal.TOLD, *renewal.READ_THEMSELVES):
            asyncio.run(identity.issue(machine.stack, name))
        yield machine
    finally:
        machine.konci("down", "--wipe", check=False)


@pytest.fixture(scope="module")
def hotel(brief: Machine) -> Iterator[Hotel]:
    with found(brief, "Heron Inn") as made:
        yield made


@pytest.fixture
async def http(brief: Machine) -> AsyncIterator[httpx2.AsyncClient]:
    context = ssl.create_default_context(cafile=str(brief.run / "ca.pem"))
    async with httpx2.AsyncClient(
        base_url=brief.url_of("gateway"), verify=context, trust_env=False, timeout=20
    ) as client:
        yield client


@dataclass
class Load:
    """Callers who do what hotels do, and note everything that was not as it should be."""

    http: httpx2.AsyncClient
    turns: Turns
    guests: list[str]
    ledger: Ledger = field(default_factory=Ledger)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    async def ask(self, what: str, expected: int, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await self.http.request(method, path, **options)
        except httpx2.TransportError as failed:
            self.faults.append(f"{what}: {failed!r}")
            return None
        if answer.status_code != expected:
            self.faults.append(f"{what}: {answer.status_code} {answer.text[:200]}")
            return None
        self.answers[what] += 1
        if event := answer.headers.get("access-event"):
            self.ledger.events[event] = path
        return answer.json()

    async def read(self, person: Person, chance: random.Random) -> None:
        """Guests that were sealed before the first turn, lists and the log."""
        paths = [*(f"/v1/guests/{guest}" for guest in self.guests), "/v1/guests?limit=5", "/v1/calls?limit=5"]
        await self.ask("read", 200, "GET", chance.choice(paths), headers=bearer(person))

    async def write(self, person: Person) -> None:
        told = {"name": "A guest under load", "email": "load@example.com"}
        made = await self.ask("write", 201, "POST", "/v1/guests", json=told, headers=bearer(person))
        if made:
            again = await self.ask("read back", 200, "GET", f"/v1/guests/{made['id']}", headers=bearer(person))
            if again and again["name"] != told["name"]:
                self.faults.append(f"another guest came back: {again}")

    async def sign_in(self, person: Person) -> None:
        body = {"email": person.email, "password": person.password}
        if session := await self.ask("sign-in", 201, "POST", "/v1/sessions", json=body):
            person.session = session
            self.turns.note_token(session["access_token"])
            await self.ask("self", 200, "GET", "/v1/users/me", headers=bearer(person))

    async def refresh(self, person: Person) -> None:
        body = {"refresh_token": person.session["refresh_token"]}
        if session := await self.ask("refresh", 200, "POST", "/v1/sessions/refresh", json=body):
            person.session.update(session)
            self.turns.note_token(session["access_token"])


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def repeat(act: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await act()
        await asyncio.sleep(every)


async def turn_keys(brief: Machine, client_id: str, turns: Turns) -> None:
    """Turns the signing key and the client's keys again and again, and notes the versions that there are."""
    async with turner(brief.stack) as session:
        while True:
            for path, version in (await keys_of(session, client_id)).items():
                turns.seen[f"version of {path.replace(client_id, 'the client')}"].add(str(version))
                await session.write(f"transit/{path}/rotate")
            await asyncio.sleep(TURN_EVERY)


async def test_everything_turns_three_times_and_nobody_notices(
    brief: Machine, hotel: Hotel, http: httpx2.AsyncClient
) -> None:
    turns = Turns(brief)
    guests = [str(hotel.guest(email=f"before-{number}@example.com")["id"]) for number in range(8)]
    load = Load(http, turns, guests)
    people = [newcomer(hotel) for _ in range(READERS + 2)]
    readers, writer, signer = people[:READERS], people[READERS], people[READERS + 1]
    chance = random.Random(6)
    began = time.monotonic()
    work = [
        asyncio.create_task(turns.watch()),
        asyncio.create_task(turn_keys(brief, str(hotel.client_id), turns)),
        asyncio.create_task(repeat(lambda: load.write(writer), 0.1)),
        asyncio.create_task(repeat(lambda: load.sign_in(signer), 1.0)),
        *(asyncio.create_task(repeat(lambda one=one: load.read(one, chance), 0.03)) for one in readers[1:]),
        # One who reads with a token that is always new, by whichever key signs now.
        asyncio.create_task(repeat(lambda: load.refresh(readers[0]), 1.5)),
    ]
    try:
        while not turns.seen or min(turns.turned().values()) < TURNS or len(turns.turned()) < 20:
            assert time.monotonic() - began < LONGEST, turns.turned()
            for task in work:
                if task.done():
                    task.result()
            await asyncio.sleep(0.5)
    finally:
        for task in work:
            task.cancel()
        for task in work:
            with suppress(asyncio.CancelledError):
                await task
        print(f"{time.monotonic() - began:.0f} s, answers {dict(load.answers)}, faults {len(load.faults)}")
        print("\n".join(f"{times:>3} turns of the {what}" for what, times in turns.turned().items()))
    assert load.faults == []
    assert {"read", "write", "read back", "sign-in", "refresh"} <= load.answers.keys()
    end = time.monotonic() + 60
    while await waiting(brief) and time.monotonic() < end:  # noqa: ASYNC110 - the databases have no event to wait for
        await asyncio.sleep(0.5)
    assert await load.ledger.missing(brief) == {}


async def test_rewrapped_data_opens_when_the_old_versions_are_gone(brief: Machine, hotel: Hotel) -> None:
    guest = hotel.guest(name="Sealed under the old version", email="old@example.com")
    client = str(hotel.client_id)
    path = f"transit/tenant_data/keys/{client}"
    async with turner(brief.stack) as session:
        await session.write(f"{path}/rotate")
        newest = (await keys_of(session, client))[f"tenant_data/keys/{client}"]
        assert SIGNING not in path
        before = await _wrapped(brief, client)
        assert before
        assert all(not text.startswith(f"vault:v{newest}:") for text in before.values())
        async with door(brief, "tenant_data") as opened:
            vault = opened.keyring._vault
            assert await rewrapping.rewrap(opened.pools.job, vault, "tenant_data") >= len(before)
            assert await rewrapping.rewrap(opened.pools.job, vault, "tenant_data") == 0
        after = await _wrapped(brief, client)
        assert before.keys() == after.keys()
        assert all(text.startswith(f"vault:v{newest}:") for text in after.values())
        await session.write(f"{path}/config", min_decryption_version=newest)
    await asyncio.sleep(brief.stack.key_cache_seconds + 0.5)  # what was unwrapped before is forgotten
    answer = hotel.agent.get(f"/v1/guests/{guest['id']}")
    assert (answer.status_code, answer.json()["name"]) == (200, "Sealed under the old version")


async def _wrapped(brief: Machine, client: str) -> dict[str, str]:
    async with superuser(brief, "tenant_data") as connection:
        rows = await connection.fetch("SELECT data_key_id, wrapped FROM guard.data_key WHERE client_id = $1", client)
    return {str(row["data_key_id"]): row["wrapped"] for row in rows}
