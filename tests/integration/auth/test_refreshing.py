"""04.1: a refresh token works once; one that comes back ends its family, also when fifty come at once."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.newcomer import from_elsewhere, newcomer, secret_of, told

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("token", ["x", "refresh.a.b.c", "0" * 256])
def test_no_token(otter: Hotel, token: str) -> None:
    assert otter.http.post("/v1/sessions/refresh", json={"refresh_token": token}).status_code == 401


def test_forged_and_moved_to_another_client(otter: Hotel, heron: Hotel) -> None:
    text = newcomer(otter).session["refresh_token"]
    moved = text.replace(otter.client_id.hex, heron.client_id.hex)
    forged = secret_of("refresh", otter.client_id, NOBODY)
    answers = [otter.http.post("/v1/sessions/refresh", json={"refresh_token": token}) for token in (moved, forged)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert told(answers[0]) == told(answers[1])
    expect(otter.http.post("/v1/sessions/refresh", json={"refresh_token": text}), 200)


def test_once(otter: Hotel) -> None:
    person = newcomer(otter)
    old = person.session["refresh_token"]
    new = expect(otter.http.post("/v1/sessions/refresh", json={"refresh_token": old}), 200).json()
    assert new["session_id"] == person.session["session_id"]
    again = otter.http.post("/v1/sessions/refresh", json={"refresh_token": old})
    assert again.status_code == 401
    entry = otter.event(again.headers["Access-Event"])
    assert (entry["action"], entry["outcome"]) == ("session:refresh", "denied")
    # The thief's successor dies with the owner's.
    assert otter.http.post("/v1/sessions/refresh", json={"refresh_token": new["refresh_token"]}).status_code == 401
    person.session["access_token"] = new["access_token"]
    wait_until(lambda: person.get("/v1/guests").status_code == 401, within=1, what="the family's end")


async def test_fifty_at_once(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    body = {"refresh_token": person.session["refresh_token"]}
    async with from_elsewhere(stack, "198.51.100.3") as http:
        answers = await asyncio.gather(*(http.post("/v1/sessions/refresh", json=body) for _ in range(50)))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses[200] <= 1
        assert statuses[401] >= 49
        for answer in answers:
            if answer.status_code == 200:
                successor = {"refresh_token": answer.json()["refresh_token"]}
                assert (await http.post("/v1/sessions/refresh", json=successor)).status_code == 401
    assert UUID(person.session["session_id"])
    wait_until(lambda: person.get("/v1/users/me").status_code == 401, within=1, what="the family's end")


def test_a_used_one_stays_used_after_a_restart(stack: Machine, otter: Hotel) -> None:
    body = {"refresh_token": newcomer(otter).session["refresh_token"]}
    expect(otter.http.post("/v1/sessions/refresh", json=body), 200)
    stack.kill("auth")
    wait_until(lambda: otter.http.get("/.well-known/jwks.json").status_code == 200, within=30, what="auth")
    assert otter.http.post("/v1/sessions/refresh", json=body).status_code == 401
