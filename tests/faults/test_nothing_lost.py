"""04.4: every answer that carried data has its event in the audit database, exactly once, whatever was killed.

`KONCI_TEST_SEED` repeats a run; `KONCI_TEST_ACCESSES` and `KONCI_TEST_KILLS` make it longer.
"""

import asyncio
import os
import random
import shutil
import ssl
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from support.hotel import Hotel, expect
from support.ledger import Ledger, waiting
from support.machine import Machine

SEED = int(os.environ.get("KONCI_TEST_SEED", str(random.SystemRandom().randrange(2**32))))
ACCESSES = int(os.environ.get("KONCI_TEST_ACCESSES", "5000"))
KILLS = int(os.environ.get("KONCI_TEST_KILLS", "40"))
VICTIMS = {"tenant_data": 5, "audit": 4, "recording_storage": 2, "auth": 2, "postgres": 2, "kafka": 2}
DEADLINE = 420  # seconds for the whole run
READERS = 12


@pytest.fixture
async def http(stack: Machine) -> AsyncIterator[httpx2.AsyncClient]:
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    async with httpx2.AsyncClient(
        base_url=stack.url_of("gateway"), verify=context, trust_env=False, timeout=20
    ) as client:
        yield client


async def _read(http: httpx2.AsyncClient, token: str, paths: list[str], ledger: Ledger, chance: random.Random) -> None:
    try:
        answer = await http.get(chance.choice(paths), headers={"Authorization": f"Bearer {token}"})
    except httpx2.TransportError:
        ledger.unanswered += 1
        await asyncio.sleep(0.05)
        return
    if answer.status_code == 200:
        assert "access-event" in answer.headers, "data without the event that accounts for it"
        ledger.events[answer.headers["access-event"]] = answer.request.url.path
        return
    ledger.refused[answer.status_code] = ledger.refused.get(answer.status_code, 0) + 1
    assert answer.status_code in (503, 401, 504, 502), answer.text
    assert answer.status_code != 401, "a good token was refused"
    await asyncio.sleep(0.1)


async def _kill(stack: Machine, chance: random.Random, ledger: Ledger) -> list[str]:
    """Kills at random places of the run, by answers and not by the clock: a slow machine meets as many faults."""
    killed: list[str] = []
    for place in sorted(chance.choices(range(ACCESSES), k=KILLS)):
        while len(ledger.events) < place:  # noqa: ASYNC110 - a dozen readers fill it
            await asyncio.sleep(0.01)
        victim = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        if len(killed) == KILLS // 2:
            await asyncio.to_thread(_wipe_kafka, stack)
            victim = "kafka (wiped)"
        while not await asyncio.to_thread(stack.kill, victim.split()[0]):  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.05)  # it has not come back from the last time
        killed.append(victim)
    return killed


def _wipe_kafka(stack: Machine) -> None:
    folder = stack.stack.folder("kafka")
    assert folder.is_dir()
    for data in (path for path in folder.iterdir() if path.is_dir()):
        shutil.rmtree(data, ignore_errors=True)


async def test_five_thousand_accesses_under_kill_nine(
    stack: Machine, otter: Hotel, heron: Hotel, http: httpx2.AsyncClient
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = Ledger()
    paths = {
        hotel.name: [f"/v1/guests/{hotel.guest()['id']}" for _ in range(5)]
        + ["/v1/guests?limit=3", "/v1/calls?limit=2"]
        for hotel in (otter, heron)
    }
    # Tokens of their own, younger than the run is long: asking for new ones would not survive these kills.
    tokens = {}
    for hotel in (otter, heron):
        expect(hotel.agent.sign_in(), 201)
        tokens[hotel.name] = hotel.agent.token
    began = time.monotonic()
    killer = asyncio.create_task(_kill(stack, chance, ledger))

    async def reader(number: int) -> None:
        own = random.Random(SEED + number)
        hotel = (otter, heron)[number % 2]
        while not (len(ledger.events) >= ACCESSES and killer.done()):
            assert time.monotonic() - began < DEADLINE, f"seed {SEED}: {len(ledger.events)} accesses, {ledger.refused}"
            await _read(http, tokens[hotel.name], paths[hotel.name], ledger, own)

    try:
        await asyncio.gather(*(reader(number) for number in range(READERS)))
    finally:
        killer.cancel() if not killer.done() else None
    killed = killer.result()
    assert len(killed) == KILLS
    assert "kafka (wiped)" in killed

    await asyncio.to_thread(stack.up)
    end = time.monotonic() + 120
    while await waiting(stack) and time.monotonic() < end:  # noqa: ASYNC110 - the databases have no event to wait for
        await asyncio.sleep(0.5)
    print(
        f"{len(ledger.events)} answers, {ledger.unanswered} unanswered, refused {ledger.refused}, "
        f"{len(killed)} kills in {time.monotonic() - began:.0f} s"
    )
    assert await ledger.missing(stack) == {}, f"seed {SEED}"
    assert await waiting(stack) == 0
