"""What no schema can tell: routes whose request needs a password, a code or a secret that was given out before.

Each makes somebody of the hotel whose credentials may be spent, and gives person, ids and body of one that succeeds.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from support.hotel import PASSWORD, Authenticator, Hotel, Person, activate, expect, invite
from support.newcomer import newcomer

Parts: TypeAlias = "tuple[Person | None, tuple[str, ...], Mapping[str, Any] | None]"


def _person(hotel: Hotel) -> Person:
    email, token = invite(hotel.admin, "agent")
    return activate(hotel.http, email, "agent", token)


def _sign_in(hotel: Hotel) -> Parts:
    person = newcomer(hotel)
    return None, (), {"email": person.email, "password": person.password}


def _challenge(hotel: Hotel) -> Parts:
    person = _person(hotel)
    answer = expect(person.enter_password(), 202)
    assert person.totp is not None
    return None, (), {"challenge": answer.json()["challenge"], "code": person.totp.code()}


def _refresh(hotel: Hotel) -> Parts:
    return None, (), {"refresh_token": newcomer(hotel).session["refresh_token"]}


def _activate(hotel: Hotel) -> Parts:
    _, token = invite(hotel.admin, "viewer")
    return None, (), {"token": token, "password": PASSWORD}


def _password(hotel: Hotel) -> Parts:
    person = newcomer(hotel)
    person.enrol()
    return person, (), {"current_password": person.password, "new_password": f"{PASSWORD} and more"}


def _enrol(hotel: Hotel) -> Parts:
    return newcomer(hotel), (), None


def _confirm(hotel: Hotel) -> Parts:
    person = newcomer(hotel)
    offer = expect(person.post("/v1/users/me/totp"), 200, 201).json()
    return person, (), {"code": Authenticator(offer["secret"]).code()}


def _remove(hotel: Hotel) -> Parts:
    person = _person(hotel)
    return person, (), {"password": person.password, "code": person.recovery_codes[0]}


def _of_somebody(hotel: Hotel) -> Parts:
    person = newcomer(hotel)
    person.enrol()
    return person, (), None


def _own_session(hotel: Hotel) -> Parts:
    person = newcomer(hotel)
    person.enrol()
    return person, (str(person.session["session_id"]),), None


CEREMONIES: Mapping[str, Callable[[Hotel], Parts]] = {
    "POST /v1/sessions": _sign_in,
    "POST /v1/sessions/challenge": _challenge,
    "POST /v1/sessions/refresh": _refresh,
    "POST /v1/users/activate": _activate,
    "PUT /v1/users/me/password": _password,
    "POST /v1/users/me/totp": _enrol,
    "POST /v1/users/me/totp/confirm": _confirm,
    "DELETE /v1/users/me/totp": _remove,
    "DELETE /v1/sessions": _of_somebody,
    "DELETE /v1/sessions/current": _of_somebody,
    "DELETE /v1/sessions/{session_id}": _own_session,
    "GET /.well-known/jwks.json": lambda _: (None, (), None),
}
