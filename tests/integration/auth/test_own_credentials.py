"""04.1: who changes a factor shows it again; a change ends what others have begun; who owes a factor may only enrol."""

from uuid import UUID

import pytest

from support.database import superuser
from support.hotel import PASSWORD, Authenticator, Hotel, Person, activate, expect, found, invite
from support.machine import Machine, wait_until
from support.newcomer import newcomer

NEW = "seven quiet herons under glass"


@pytest.mark.parametrize("current", ["", "x", "not the password"])
def test_a_wrong_current_password(otter: Hotel, current: str) -> None:
    body = {"current_password": current, "new_password": NEW}
    answer = newcomer(otter).put("/v1/users/me/password", json=body)
    assert answer.status_code == (401 if current else 422)


@pytest.mark.parametrize("new", ["short", "a" * 40, "é" * 129, "vole9 harbour"])
def test_a_new_password_that_is_too_guessable(otter: Hotel, new: str) -> None:
    body = {"current_password": PASSWORD, "new_password": new}
    answer = newcomer(otter).put("/v1/users/me/password", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/new_password"
    assert new not in answer.text


def test_a_new_password_ends_other_sessions(otter: Hotel) -> None:
    person = newcomer(otter)
    other = Person(otter.http, person.email, person.role)
    expect(other.sign_in(), 201)
    expect(person.put("/v1/users/me/password", json={"current_password": PASSWORD, "new_password": NEW}), 204)
    wait_until(lambda: other.get("/v1/users/me").status_code == 401, within=1, what="the other session's end")
    assert person.get("/v1/users/me").status_code == 200
    assert person.enter_password().status_code == 401
    person.password = NEW
    expect(person.sign_in(), 201)


def test_guessing_in_a_stolen_session(otter: Hotel) -> None:
    person = newcomer(otter)
    body = {"current_password": "not the password", "new_password": NEW}
    statuses = [person.put("/v1/users/me/password", json=body).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert Person(otter.http, person.email, person.role).sign_in().status_code == 201  # its owner is not locked out


def test_128_characters_of_any_script(otter: Hotel) -> None:
    person = newcomer(otter)
    longest = ("gläserne 🦦 Brücke über 9 Flüsse und лунный чайник под мостом; " * 3)[:128]
    expect(person.put("/v1/users/me/password", json={"current_password": PASSWORD, "new_password": longest}), 204)
    person.password = longest[:-1]
    assert person.enter_password().status_code == 401
    person.password = longest
    expect(person.sign_in(), 201)


def test_a_wrong_first_code(otter: Hotel) -> None:
    person = newcomer(otter)
    assert person.post("/v1/users/me/totp/confirm", json={"code": "123456"}).status_code == 409
    expect(person.post("/v1/users/me/totp"), 201)
    assert person.post("/v1/users/me/totp/confirm", json={"code": "12345"}).status_code == 422
    assert expect(person.enter_password(), 201)  # an offered secret asks for nothing yet


async def test_an_offer_is_over_after_a_quarter_of_an_hour(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    totp = Authenticator(expect(person.post("/v1/users/me/totp"), 201).json()["secret"])
    async with superuser(stack, "auth") as connection:
        await connection.execute(
            "UPDATE credential SET totp_offered_at = totp_offered_at - interval '900 seconds' WHERE user_id = $1",
            UUID(person.user_id),
        )
    assert person.post("/v1/users/me/totp/confirm", json={"code": totp.code()}).status_code == 409
    totp = Authenticator(expect(person.post("/v1/users/me/totp"), 201).json()["secret"], totp.last_step)
    expect(person.post("/v1/users/me/totp/confirm", json={"code": totp.code()}), 200)


async def test_a_second_factor_is_enrolled_right_after_signing_in(stack: Machine, otter: Hotel) -> None:
    person = newcomer(otter)
    async with superuser(stack, "auth") as connection:
        await connection.execute(
            "UPDATE session SET created_at = created_at - interval '301 seconds' WHERE session_id = $1",
            UUID(person.session["session_id"]),
        )
    fresh = {"refresh_token": person.session["refresh_token"]}
    person.session |= expect(otter.http.post("/v1/sessions/refresh", json=fresh), 200).json()
    answer = person.post("/v1/users/me/totp")  # a token of now, of a password of long ago
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/sign-in-again"
    entry = otter.event(answer.headers["Access-Event"])
    assert (entry["action"], entry["outcome"]) == ("totp:enrol", "denied")
    expect(person.sign_in(), 201)
    expect(person.post("/v1/users/me/totp"), 201)


def test_enrolled_twice_and_removed(otter: Hotel) -> None:
    email, token = invite(otter.admin, "agent")
    person = activate(otter.http, email, "agent", token)
    assert person.totp is not None
    assert person.post("/v1/users/me/totp").status_code == 409
    wrong = {"password": "not the password", "code": "000000"}
    assert person.delete("/v1/users/me/totp", json=wrong).status_code == 401
    assert person.delete("/v1/users/me/totp", json={"password": PASSWORD, "code": "000000"}).status_code == 401
    expect(person.delete("/v1/users/me/totp", json={"password": PASSWORD, "code": person.totp.code()}), 204)
    expect(person.enter_password(), 201)


def test_a_client_that_requires_a_second_factor(stack: Machine) -> None:
    with found(stack, "Strict House") as strict:
        expect(strict.admin.patch("/v1/clients/me", json={"settings": {"totp_required": True}}), 200)
        person = newcomer(strict, password="vole9 harbour")  # shorter, because the second factor is certain
        for method, path in (("GET", "/v1/guests"), ("GET", "/v1/sessions"), ("PUT", "/v1/users/me/password")):
            assert person.request(method, path, json={} if method == "PUT" else None).status_code in (403, 422)
        assert person.get("/v1/users/me").json()["totp_enrolled"] is False
        totp = Authenticator(expect(person.post("/v1/users/me/totp"), 201).json()["secret"])
        confirmed = expect(person.post("/v1/users/me/totp/confirm", json={"code": totp.code()}), 200).json()
        assert len(set(confirmed["recovery_codes"])) == 10
        person.session["access_token"] = confirmed["access_token"]
        assert person.get("/v1/guests").status_code == 200
        body = {"password": person.password, "code": totp.code()}
        assert person.delete("/v1/users/me/totp", json=body).status_code == 409
