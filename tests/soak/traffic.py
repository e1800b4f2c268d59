"""The client: mixed accesses through the gateway, each with its number as user agent and each in the ledger."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from soak.ledger import Resource
from soak.stage import Stage
from soak.wire import Answer, Lost, Wire
from support.hotel import Hotel, Person

WORKERS = 10  # they share the machine with what they ask: more of them wait longer and get no more
_PAUSE = 0.25  # seconds after an answer that was none
# Kinds of access, and how many of a hundred.
_KINDS = {"read": 46, "list": 11, "calls": 5, "search": 8, "create": 7, "update": 8, "foreign": 6, "forbidden": 4,
          "own": 3, "users": 1, "log": 1}  # fmt: skip

Shown = Callable[[dict[str, Any]], tuple[Resource, ...]]


@dataclass
class Asker:
    """One connection of one client program. `at_service` sends what only the gateway's certificate may say."""

    stage: Stage
    wire: Wire
    chance: random.Random
    at_service: bool = False
    skew: float = 0.0
    allowed: frozenset[int] = frozenset({503})  # statuses beside the expected one that a fault excuses
    statuses: Counter[int] = field(default_factory=Counter)  # of what this one was answered

    async def access(
        self, hotel: Hotel, person: Person, method: str, path: str, action: str, *, expected: int = 200,
        body: dict[str, Any] | None = None, resources: tuple[Resource, ...] | None = None,
        shown: Shown | None = None, once: str | None = None,
    ) -> Answer | None:  # fmt: skip
        """One access; the answer when it was the expected one."""
        ledger = self.stage.ledger
        request_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4)) if self.at_service else None
        number = ledger.asks(
            str(hotel.client_id), person.user_id, action, outcome="denied" if expected in (403, 404) else "allowed",
            resources=resources, once=once, skew=self.skew, request_id=request_id,
        )  # fmt: skip
        headers = {"authorization": f"Bearer {person.token}", "user-agent": f"soak/{number}"}
        if once is not None:
            headers["idempotency-key"] = once
        if request_id is not None:
            headers |= {"x-request-id": request_id, "x-envoy-external-address": "127.0.0.1"}
        try:
            answer = await self.wire.ask(method, path, headers, b"" if body is None else orjson.dumps(body))
        except Lost as lost:
            ledger.lost(number, str(lost))
            await asyncio.sleep(_PAUSE)
            return None
        return await self._told(number, answer, expected, shown, f"{method} {action}")

    async def _told(self, number: int, answer: Answer, expected: int, shown: Shown | None, what: str) -> Answer | None:
        event, is_right = answer.headers.get("access-event"), answer.status == expected
        self.statuses[answer.status] += 1
        resources = shown(orjson.loads(answer.body)) if is_right and shown is not None else None
        self.stage.ledger.told(number, answer.status, event, answer.headers.get("x-request-id"), resources)
        if is_right and event is not None:
            self.stage.accesses += 1
            return answer
        if is_right:
            self.stage.finds(f"{what}: {answer.status} without the event that accounts for it")
        elif answer.status not in self.allowed:
            self.stage.finds(f"{what}: answered {answer.status} {answer.body[:200].decode(errors='replace')}")
        elif answer.status == 503 and "retry-after" not in answer.headers:
            self.stage.finds(f"{what}: 503 without Retry-After")
        await asyncio.sleep(_PAUSE)
        return None

    async def read(self, hotel: Hotel, person: Person) -> Answer | None:
        guest = self.stage.guests[hotel.name].any(self.chance)["id"]
        return await self.access(
            hotel, person, "GET", f"/v1/guests/{guest}", "guest:read", resources=(("guest", guest),)
        )

    async def miss(self, hotel: Hotel, person: Person) -> Answer | None:
        others = [other for other in self.stage.hotels if other is not hotel]
        guest = self.stage.guests[self.chance.choice(others).name].any(self.chance)["id"]
        return await self.access(
            hotel, person, "GET", f"/v1/guests/{guest}", "guest:read", expected=404, resources=(("guest", guest),)
        )

    async def log(self, hotel: Hotel) -> Answer | None:
        return await self.access(
            hotel, hotel.admin, "GET", "/v1/access-events?limit=2", "access_event:list", shown=_items("access_event")
        )

    async def create(self, hotel: Hotel) -> None:
        """A new guest, or one more try at one whose creation was not answered: with the same key it is made once."""
        book = self.stage.guests[hotel.name]
        if book.unanswered:
            once, body = book.unanswered.popleft()
        else:
            once = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            body = {"name": f"Guest {once[:8]}", "email": f"{once}@example.com"}
        answer = await self.access(
            hotel, hotel.agent, "POST", "/v1/guests", "guest:create", expected=201, body=body,
            shown=lambda made: (("guest", made["id"]),), once=once,
        )  # fmt: skip
        if answer is None:
            book.unanswered.append((once, body))
        else:
            book.known.append({**body, "id": orjson.loads(answer.body)["id"]})

    async def step(self) -> None:
        """One access of a kind that chance chooses."""
        chance, kind = self.chance, self.chance.choices(list(_KINDS), list(_KINDS.values()))[0]
        hotel = chance.choice(self.stage.hotels)
        person = chance.choice((hotel.agent, hotel.agent, hotel.viewer, hotel.admin))
        match kind:
            case "read":
                await self.read(hotel, person)
            case "foreign":
                await self.miss(hotel, person)
            case "create":
                await self.create(hotel)
            case "update":
                guest = self.stage.guests[hotel.name].any(chance)["id"]
                await self.access(
                    hotel, hotel.agent, "PATCH", f"/v1/guests/{guest}", "guest:update",
                    body={"notes": f"at {chance.random()}"}, resources=(("guest", guest),),
                )  # fmt: skip
            case "search":
                sought = {"email": self.stage.guests[hotel.name].any(chance)["email"]}
                await self.access(
                    hotel, person, "POST", "/v1/guests/search", "guest:search", body=sought, shown=_items("guest")
                )
            case "forbidden":
                await self.access(
                    hotel, hotel.viewer, "POST", "/v1/guests", "guest:create", expected=403, body={"name": "Nobody"},
                    resources=(),
                )  # fmt: skip
            case _:
                await self._rest(kind, hotel, person)

    async def _rest(self, kind: str, hotel: Hotel, person: Person) -> None:
        match kind:
            case "list":
                await self.access(hotel, person, "GET", "/v1/guests?limit=3", "guest:list", shown=_items("guest"))
            case "calls":
                await self.access(hotel, person, "GET", "/v1/calls?limit=2", "call:list", shown=_items("call"))
            case "own":
                own = (("user", person.user_id),)
                await self.access(hotel, person, "GET", "/v1/users/me", "user:read_own", resources=own)
            case "users":
                await self.access(hotel, hotel.admin, "GET", "/v1/users", "user:list", shown=_items("user"))
            case "log":
                await self.log(hotel)


def _items(kind: str) -> Shown:
    return lambda page: tuple((kind, item["id"]) for item in page["items"])


async def work(stage: Stage, number: int) -> None:
    """One client program, until the run is over."""
    asker = Asker(
        stage,
        Wire(stage.stack.port_of("gateway"), stage.context),
        random.Random(f"{stage.plan.seed} worker {number}"),
    )
    try:
        while not stage.is_over.is_set():
            await asker.step()
    finally:
        asker.wire.close()
