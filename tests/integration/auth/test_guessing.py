"""05.4: guesses are counted before they are looked at, outlive the process that counted, and lock no owner out."""

import asyncio
from collections import Counter

import httpx2

from support.hotel import PASSWORD, Authenticator, Hotel, Person, activate, expect, invite
from support.machine import Machine, wait_until
from support.newcomer import from_elsewhere, newcomer


async def guess(stack: Machine, person: Person, address: str, times: int) -> Counter[int]:
    async with from_elsewhere(stack, address) as http:
        body = {"email": person.email, "password": "not the password"}
        answers = await asyncio.gather(*(http.post("/v1/sessions", json=body) for _ in range(times)))
    for answer in answers:
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    return Counter(answer.status_code for answer in answers)


async def enter(stack: Machine, person: Person, address: str, **more: str) -> int:
    async with from_elsewhere(stack, address) as http:
        body = {"email": person.email, "password": PASSWORD, **more}
        return (await http.post("/v1/sessions", json=body)).status_code


async def test_no_more_than_five_at_once_from_one_address(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    found = await guess(stack, person, "203.0.113.1", 12)
    assert found == {401: 5, 429: 7}
    assert await enter(stack, person, "203.0.113.1") == 429  # the right password too: a guesser learns nothing
    assert await enter(stack, person, "203.0.113.2") == 201


async def test_guessing_from_everywhere_does_not_lock_a_known_device_out(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    found = Counter[int]()
    for number in range(6):
        found += await guess(stack, person, f"203.0.113.{10 + number}", 5)
    assert found[401] == 21  # twenty, and the one in 15 minutes that their network has then
    assert await enter(stack, person, "203.0.113.30") == 429
    assert await enter(stack, person, "203.0.113.30", device_token=person.session["device_token"]) == 201
    assert await enter(stack, person, "203.0.113.30") == 201  # the owner was here: they are not in a row any more


async def test_guessing_from_everywhere_does_not_lock_the_owner_out_for_a_day(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    for number in range(5):
        await guess(stack, person, f"203.0.113.{80 + number}", 5)
    assert await enter(stack, person, "203.0.113.90") == 429  # their network
    found = await guess(stack, person, "198.51.100.90", 5)
    assert found == {401: 1, 429: 4}
    assert await enter(stack, person, "198.51.100.91") == 429  # a neighbour of that guess
    assert await enter(stack, person, "192.0.2.90") == 201  # no device token: a browser that has forgotten everything


async def test_a_strangers_device_token_opens_no_way_past(stack: Machine, otter: Hotel) -> None:
    person, stranger = newcomer(otter), newcomer(otter)
    await guess(stack, person, "203.0.113.40", 5)
    assert await enter(stack, person, "203.0.113.40", device_token=stranger.session["device_token"]) == 429


async def test_counters_survive_a_killed_process(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    await guess(stack, person, "203.0.113.50", 5)
    stack.kill("auth")
    wait_until(lambda: otter.http.get("/.well-known/jwks.json").status_code == 200, within=30, what="auth")
    assert await enter(stack, person, "203.0.113.50") == 429


async def test_codes_are_counted_apart(stack: Machine, otter: Hotel) -> None:
    email, token = invite(otter.admin, "agent")
    person = activate(otter.http, email, "agent", token)
    for _ in range(2):
        challenge = expect(person.enter_password(), 202).json()["challenge"]
        for _ in range(5):
            otter.http.post("/v1/sessions/challenge", json={"challenge": challenge, "code": "000000"})
    # Ten wrong codes: the password is still accepted, and no eleventh code is looked at, not even the right one.
    challenge = expect(person.enter_password(), 202).json()["challenge"]
    assert person.totp is not None
    answer = otter.http.post("/v1/sessions/challenge", json={"challenge": challenge, "code": person.totp.code()})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    # With the device that the owner signed in from before, it goes.
    known = expect(person.enter_password(device_token=person.session["device_token"]), 202).json()["challenge"]
    answer = otter.http.post("/v1/sessions/challenge", json={"challenge": known, "code": person.totp.code()})
    assert answer.status_code == 201


async def test_the_attempt_that_closes_the_gate_says_so(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    async with from_elsewhere(stack, "203.0.113.60") as http:
        for _ in range(5):
            answer = await http.post("/v1/sessions", json={"email": person.email, "password": "wrong"})
    entry = otter.event(answer.headers["Access-Event"])
    assert entry["ip"] == "203.0.113.60"
    assert "no more attempts" in entry["reason"]


def confirm(person: Person, code: str) -> httpx2.Response:
    return person.post("/v1/users/me/totp/confirm", json={"code": code})


def test_a_first_code_is_counted_and_told(otter: Hotel) -> None:
    person = newcomer(otter)
    totp = Authenticator(expect(person.post("/v1/users/me/totp"), 201).json()["secret"])
    answers = [confirm(person, "000000") for _ in range(10)]
    assert [answer.status_code for answer in answers] == [422] * 10
    shut = confirm(person, totp.code())
    assert shut.status_code == 429  # the right one too: a guesser learns nothing
    assert 0 < int(shut.headers["Retry-After"]) <= 3600
    entries = [otter.event(answer.headers["Access-Event"]) for answer in answers]
    assert {(entry["action"], entry["outcome"], entry["actor"]["id"]) for entry in entries} == {
        ("totp:confirm", "denied", person.user_id)
    }
    assert ["no more attempts" in entry["reason"] for entry in entries] == [False] * 9 + [True]


def test_asking_for_nothing_locks_no_second_factor_out(otter: Hotel) -> None:
    email, token = invite(otter.admin, "agent")
    person = activate(otter.http, email, "agent", token)
    assert [confirm(person, "000000").status_code for _ in range(11)] == [409] * 11
    expect(person.sign_in(), 201)
