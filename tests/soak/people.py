"""The hotels' people during a run: whose token is whose, kept fresh, and which guests there are to ask for."""

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

from soak.ledger import Ledger
from soak.wire import Answer, Lost, Wire
from support.hotel import Hotel, Person

_KEPT = 60  # guests of a hotel that are asked for
_LOOK = 2.0  # seconds


@dataclass
class Guestbook:
    """Guests of one hotel that are known to be there, and creations that nobody answered yet."""

    known: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    unanswered: deque[tuple[str, dict[str, str]]] = field(default_factory=deque)

    def any(self, chance: random.Random) -> dict[str, Any]:
        return chance.choice(self.known)


@dataclass
class Member:
    """A person of a hotel, and until when the token is good."""

    hotel: Hotel
    person: Person
    renew_at: float = 0.0


class People:
    """All of them. Tokens live ten minutes: each is renewed at half of that, or won by a new sign-in."""

    def __init__(self, hotels: list[Hotel]) -> None:
        self.members = [
            Member(hotel, person) for hotel in hotels for person in (hotel.admin, hotel.agent, hotel.viewer)
        ]
        for place, member in enumerate(self.members):
            member.renew_at = time.monotonic() + 120 + 5 * place

    async def keep(self, ledger: Ledger, wire: Wire) -> None:
        """Renews tokens until cancelled; each request is an attempt of the ledger like any other."""
        while True:
            for member in self.members:
                if time.monotonic() >= member.renew_at and await self._renewed(ledger, wire, member):
                    member.renew_at = time.monotonic() + member.person.session["expires_in"] / 2
            await asyncio.sleep(_LOOK)

    async def _renewed(self, ledger: Ledger, wire: Wire, member: Member) -> bool:
        person = member.person
        token = person.session.pop("refresh_token", None)
        if token is not None:
            body = {"refresh_token": token}
            answer = await _ask(ledger, wire, member, action="session:refresh", path="/v1/sessions/refresh", body=body)
            if answer is not None and answer.status == 200:
                person.session |= orjson.loads(answer.body)
                return True
        # Not again with the same one: it may be spent, and a spent one that comes back ends the session.
        body = {"email": person.email, "password": person.password}
        answer = await _ask(ledger, wire, member, action="session:create", path="/v1/sessions", body=body)
        if answer is None or answer.status != 202 or person.totp is None:
            return False
        body = {
            "challenge": orjson.loads(answer.body)["challenge"],
            "code": await asyncio.to_thread(person.totp.code),
        }
        answer = await _ask(ledger, wire, member, action="session:challenge", path="/v1/sessions/challenge", body=body)
        if answer is None or answer.status != 201:
            return False
        person.session = orjson.loads(answer.body)
        return True


async def _ask(
    ledger: Ledger, wire: Wire, member: Member, *, action: str, path: str, body: dict[str, Any]
) -> Answer | None:
    number = ledger.asks(str(member.hotel.client_id), member.person.user_id, action)
    try:
        answer = await wire.ask("POST", path, {"user-agent": f"soak/{number}"}, orjson.dumps(body))
    except Lost as lost:
        ledger.lost(number, str(lost))
        return None
    ledger.told(number, answer.status, answer.headers.get("access-event"), answer.headers.get("x-request-id"))
    return answer
