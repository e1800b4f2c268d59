"""04.1: password, then code; nobody learns which accounts exist, and a code opens one session, however often sent."""

import asyncio
import secrets
from collections import Counter

import pytest

from support.hotel import PASSWORD, Authenticator, Hotel, activate, expect, invite
from support.machine import Machine
from support.newcomer import from_elsewhere, newcomer, secret_of, told

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "password": 7},
        {"email": "ada@example.com", "password": "x" * 1025},
        {"email": "ada@example.com", "password": "x", "client_id": NOBODY},
        {"email": "ada\u0000@example.com", "password": "x"},
    ],
)
def test_a_body_that_is_none(otter: Hotel, body: dict[str, object]) -> None:
    assert otter.http.post("/v1/sessions", json=body).status_code == 422


async def test_unknown_wrong_and_disabled_look_alike(stack: Machine, otter: Hotel) -> None:
    known, disabled = newcomer(otter), newcomer(otter)
    expect(otter.admin.patch(f"/v1/users/{disabled.user_id}", json={"status": "disabled"}), 200)
    async with from_elsewhere(stack, "198.51.100.1") as http:
        answers = [
            await http.post("/v1/sessions", json=body)
            for body in (
                {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD},
                {"email": known.email, "password": "not the password"},
                {"email": disabled.email, "password": PASSWORD},
            )
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert told(answers[0]) == told(answers[1]) == told(answers[2])
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    assert len({len(answer.content) for answer in answers}) == 1


def test_a_refused_password_is_in_the_clients_log(otter: Hotel) -> None:
    person = newcomer(otter)
    answer = otter.http.post("/v1/sessions", json={"email": person.email, "password": "not the password"})
    entry = otter.event(answer.headers["Access-Event"])
    assert (entry["action"], entry["outcome"]) == ("session:create", "denied")
    assert {"type": "user", "id": person.user_id} in entry["resources"]


def test_a_session_and_its_entry(otter: Hotel) -> None:
    person = newcomer(otter)
    answer = expect(person.enter_password(), 201)
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] <= 600
    assert body["user"]["email"] == person.email
    assert answer.headers["Cache-Control"] == "no-store"
    entry = otter.event(answer.headers["Access-Event"])
    assert (entry["actor"]["id"], entry["outcome"]) == (person.user_id, "allowed")
    assert {"type": "session", "id": body["session_id"]} in entry["resources"]


def test_one_mailbox_in_another_spelling(otter: Hotel) -> None:
    person = newcomer(otter)
    body = {"email": f" {person.email.upper()} ", "password": PASSWORD}
    assert otter.http.post("/v1/sessions", json=body).status_code == 201


@pytest.mark.parametrize("challenge", ["", "challenge", "nothing of the kind"])
def test_a_challenge_that_is_none(otter: Hotel, challenge: str) -> None:
    body = {"challenge": challenge or "-", "code": "123456"}
    assert otter.http.post("/v1/sessions/challenge", json=body).status_code == 401


def test_a_forged_challenge(otter: Hotel) -> None:
    body = {"challenge": secret_of("challenge", otter.client_id, NOBODY), "code": "123456"}
    assert otter.http.post("/v1/sessions/challenge", json=body).status_code == 401


def test_five_wrong_codes_end_the_challenge(otter: Hotel) -> None:
    person = activate(otter.http, *_invited(otter))
    challenge = expect(person.enter_password(), 202).json()["challenge"]
    for _ in range(5):
        answer = otter.http.post("/v1/sessions/challenge", json={"challenge": challenge, "code": "000000"})
        assert answer.status_code == 401
    assert person.totp is not None
    right = {"challenge": challenge, "code": person.totp.code()}
    assert otter.http.post("/v1/sessions/challenge", json=right).status_code == 401
    # A new one is asked for with the password, and the code was not used up by the challenge that had ended.
    challenge = expect(person.enter_password(), 202).json()["challenge"]
    expect(otter.http.post("/v1/sessions/challenge", json={**right, "challenge": challenge}), 201)


async def test_one_code_fifty_times_at_once(stack: Machine, otter: Hotel) -> None:
    person = activate(otter.http, *_invited(otter))
    assert person.totp is not None
    async with from_elsewhere(stack, "198.51.100.2") as http:
        challenges = [
            (await http.post("/v1/sessions", json={"email": person.email, "password": PASSWORD})).json()["challenge"]
            for _ in range(5)
        ]
        code = person.totp.code()
        answers = await asyncio.gather(
            *(
                http.post("/v1/sessions/challenge", json={"challenge": challenges[n % 5], "code": code})
                for n in range(50)
            )
        )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1, statuses
    assert set(statuses) <= {201, 401, 429}


def test_a_recovery_code_once(otter: Hotel) -> None:
    person = activate(otter.http, *_invited(otter))
    code = person.recovery_codes[0].lower()
    for expected in (201, 401):
        challenge = expect(person.enter_password(), 202).json()["challenge"]
        answer = otter.http.post("/v1/sessions/challenge", json={"challenge": challenge, "code": code})
        assert answer.status_code == expected


def test_a_code_is_not_good_for_somebody_else(otter: Hotel) -> None:
    ada, bob = (activate(otter.http, *_invited(otter)) for _ in range(2))
    assert ada.totp is not None
    challenge = expect(bob.enter_password(), 202).json()["challenge"]
    foreign = Authenticator(ada.totp.secret, ada.totp.last_step).code()
    answer = otter.http.post("/v1/sessions/challenge", json={"challenge": challenge, "code": foreign})
    assert answer.status_code == 401


def _invited(hotel: Hotel) -> tuple[str, str, str]:
    email, token = invite(hotel.admin, "viewer")
    return email, "viewer", token
