"""A user of a client as the demo plays one: signs in with a password and a one-time code, and keeps what it did.

Password and secret live in this process's memory only.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyotp

from konci.access_log import Deed
from konci.api import Answer, Api
from konci.failure import Failed

# RFC 6238, section 4.1: the default time step.
STEP = 30
MARGIN = 3


@dataclass(slots=True)
class Member:
    """One user. `deeds` lists each of its accesses to customer data that was answered, as the log must show it."""

    email: str
    role: str
    api: Api
    user_id: str = ""
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    secret: str = field(default="", repr=False)
    spent_step: int = 0
    deeds: list[Deed] = field(default_factory=list)

    def activate(self, token: str) -> None:
        """Sets the first password with the invitation's `token`, signs in with it alone, enrols the second factor."""
        self.api.ask("POST", "/v1/users/activate", body={"token": token, "password": self.password}, expect=(204,))
        session = self.api.ask(
            "POST", "/v1/sessions", body={"email": self.email, "password": self.password}, expect=(201,)
        ).body
        self.user_id = session["user"]["id"]
        self.api.token = session["access_token"]
        self.secret = self.api.ask("POST", "/v1/users/me/totp", expect=(200, 201)).body["secret"]
        confirmed = self.api.ask("POST", "/v1/users/me/totp/confirm", body={"code": self.code()}, expect=(200, 201))
        # The first token owed a second factor and could do nothing else; this one owes nothing.
        self.api.token = confirmed.body["access_token"]

    def sign_in(self) -> None:
        """A new session with password and one-time code: 202 with a challenge, then 201."""
        self.api.token = None
        first = self.api.ask(
            "POST", "/v1/sessions", body={"email": self.email, "password": self.password}, expect=(202,)
        ).body
        second = self.api.ask(
            "POST",
            "/v1/sessions/challenge",
            body={"challenge": first["challenge"], "code": self.code()},
            expect=(201,),
        ).body
        self.api.token = second["access_token"]

    def code(self) -> str:
        """The code of the first step that was not spent, if need be the one just past: a step is accepted once (04.1).

        Waits for the next step, 30 s at most, when the present one is spent.
        """
        # Wall-clock time, because the server's is what the code is checked against.
        while True:
            now = time.time()
            present = int(now) // STEP
            step = max(present - 1, self.spent_step + 1)
            # The step just past is refused as soon as the present one ends: not on its last seconds.
            is_safe = step == present or STEP - now % STEP > MARGIN
            if step <= present and is_safe:
                self.spent_step = step
                return pyotp.TOTP(self.secret, interval=STEP).at(step * STEP)
            time.sleep(STEP - now % STEP + 0.05)

    def do(
        self,
        action: str,
        method: str,
        path: str,
        *,
        body: object | None = None,
        expect: tuple[int, ...] = (200,),
        resource: str | None = None,
        outcome: str = "allowed",
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """One access to customer data, kept in `deeds`. Raises Failed when the answer names no entry of the access log.

        `resource` is the id that the entry must name; without it, the `id` of the answer, if it has one.
        """
        sent = {**(headers or {}), **({} if key is None else {"Idempotency-Key": key})}
        answer = self.api.ask(method, path, body=body, expect=expect, headers=sent)
        if answer.access_event is None:
            # API.md: an answer with data and no such header is a defect of the platform.
            raise Failed(f"{method} {path} was answered without an Access-Event header", "report this: it is a defect")
        self.deeds.append(Deed(answer.access_event, self.user_id, action, resource or _id_of(answer.body), outcome))
        return answer


def _id_of(body: Any) -> str | None:
    return body.get("id") if isinstance(body, dict) else None
