"""03.4, 02.1: whatever is remembered between requests is remembered for one client: keys, tokens, answers, versions.

And a request that is cut off in mid-flight leaves nothing to the next (which showed strangers' chats in 2023).
"""

import asyncio
import gc
import random
import ssl
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx2
import pytest

from guard import tenant
from guard.access import Door
from guard.keys import NotOurs
from pentest.evidence import Probes
from support.book import Book, as_of
from support.hotel import Hotel, expect
from support.machine import Machine
from support.workload import caller, door

AT_ONCE = 200


@pytest.fixture(scope="module")
async def inside(stack: Machine) -> AsyncIterator[Door]:
    async with door(stack, "tenant_data", key_cache_seconds=60.0) as opened:  # longer than a test: it does remember
        yield opened


@pytest.fixture
def books(own: Book, theirs: Book) -> tuple[Book, Book]:
    return own, theirs


def test_the_same_idempotency_key(books: tuple[Book, Book], probes: Probes) -> None:
    """Two hotels, and two people of one, may choose the same key: each gets its own answer."""
    for route in books[0].all_routes:
        takes = any(
            one["in"] == "header" and one["name"].lower() == "idempotency-key"
            for one in route.operation.get("parameters", [])
        )
        if not takes:
            continue
        once = {"Idempotency-Key": f"same-{uuid4()}"}
        ask = books[0].ask(route)
        body = ask.body
        mine, theirs = (one.by_owner(headers=once) for one in (ask, as_of(books[1].ask(route), body=body)))
        holds = mine.status_code == theirs.status_code == 201 and mine.json()["id"] != theirs.json()["id"]
        probes.denied("another client's answer by its key", holds, theirs.text, route=route.title)
        other = ask.send(books[0].hotel.agent, headers=once)
        holds = other.status_code == 201 and other.json()["id"] != mine.json()["id"]
        probes.denied("a colleague's answer by its key", holds, other.text, route=route.title)
        again = ask.by_owner(headers=once)
        probes.allowed(
            "one's own answer again", again.json().get("id") == mine.json()["id"], again.text, on=route.title
        )
        bent = as_of(ask, body=books[0].body(route)).by_owner(headers=once)
        is_same = books[0].body(route) == body
        probes.denied(
            "one's own key for another body", is_same or bent.status_code == 409, bent.text, route=route.title
        )


def test_another_clients_version(books: tuple[Book, Book], probes: Probes) -> None:
    """An ETag opens nothing and confirms nothing: with the right one of another's object, with any, the same 404."""
    own, theirs = books
    for route in own.all_routes:
        if not route.ids or route.method != "GET":
            continue
        ask = theirs.ask(route)
        tag = ask.by_owner().headers.get("etag")
        for name in ("If-None-Match", "If-Match", "If-Range"):
            for value in filter(None, (tag, '"1"', '"999"', "*")):
                answer = ask.send(own.hotel.admin, headers={name: value})
                probes.denied(
                    "another's version", answer.status_code == 404, f"{name} {answer.status_code}", route=route.title
                )
        ranged = ask.send(own.hotel.admin, headers={"Range": "bytes=0-10"})
        probes.denied("a part of another's", ranged.status_code == 404, ranged.text, route=route.title)
        probes.allowed("its owner reads it", ask.by_owner().status_code == 200, on=route.title)


def test_answers_are_kept_nowhere(books: tuple[Book, Book], probes: Probes) -> None:
    """Asked alternately on one connection by two: each answer is its asker's, and none may be stored on the way."""
    own, theirs = books
    for route in own.all_routes:
        if route.method != "GET" or route.ids:
            continue
        ask = own.ask(route)
        if ask.person is None:
            continue
        for _ in range(3):
            for book in books:
                answer = as_of(ask, person=None).send(book.hotel.admin, headers={"Cache-Control": "only-if-cached"})
                other = theirs if book is own else own
                clean = str(other.hotel.client_id) not in answer.text and other.hotel.admin.email not in answer.text
                kept = answer.headers.get("cache-control") == "no-store"
                probes.denied("another's answer on one connection", clean, answer.text, route=route.title)
                probes.denied("an answer that may be stored", kept, dict(answer.headers), route=route.title)
                probes.allowed("one's own answer", answer.status_code == 200, answer.text, on=route.title)


def test_a_token_beside_a_remembered_one(otter: Hotel, probes: Probes) -> None:
    """A verified token is remembered by all of itself: one that differs in a letter is verified anew."""
    true = otter.agent.token
    probes.allowed("the true token, to have it remembered", otter.agent.get("/v1/guests").status_code == 200)
    for at in (0, 5, len(true) // 3, len(true) // 2, true.rindex(".") - 2, true.rindex(".") + 3, len(true) - 5):
        bent = true[:at] + ("A" if true[at] != "A" else "B") + true[at + 1 :]
        answer = otter.http.get("/v1/guests", headers={"Authorization": f"Bearer {bent}"})
        probes.denied("a letter changed", answer.status_code == 401, answer.text)
    for bent in (true + ".", true + "=", true + "A", "." + true, true[:-1], true + " ", true.upper()):
        answer = otter.http.get("/v1/guests", headers={"Authorization": f"Bearer {bent}".rstrip()})
        is_true = bent.strip() == true
        probes.denied("a letter more or less", is_true or answer.status_code == 401, f"{bent[-8:]} {answer.text}")


async def test_another_clients_data_key(inside: Door, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """A key that one client's request has just unwrapped is not there for another's."""
    ring, pool = inside.keyring, inside.pools.request
    for hotel in (otter, heron):
        hotel.guest()
    ids: dict[UUID, UUID] = {}
    for hotel in (heron, otter):
        async with tenant.transaction(pool, caller(hotel.client_id), inside.seal_key) as connection:
            row = await connection.fetchrow(
                "SELECT data_key_id FROM guard.data_key WHERE client_id = $1 AND purpose = 'data'", hotel.client_id
            )
            ids[hotel.client_id] = row["data_key_id"]
            own = await ring._data_key(connection, hotel.client_id, row["data_key_id"])
            again = await ring._data_key(connection, hotel.client_id, row["data_key_id"])
            probes.allowed("one's own is remembered", again is own)
    for hotel, other in ((otter, heron), (heron, otter)):
        async with tenant.transaction(pool, caller(hotel.client_id), inside.seal_key) as connection:
            leaked = True
            try:
                await ring._data_key(connection, hotel.client_id, ids[other.client_id])
            except NotOurs:
                leaked = False
            probes.denied("another client's remembered key", not leaked, table="tenant_data: guard.data_key")
            newest = await ring._newest_data_key(connection, hotel.client_id, "data", inside.clock.now())
            probes.denied(
                "another client's newest key",
                newest.data_key_id != ids[other.client_id],
                table="tenant_data: guard.data_key",
            )
    digests = {}
    for hotel in (otter, heron):
        async with tenant.transaction(pool, caller(hotel.client_id), inside.seal_key) as connection:
            digests[hotel.client_id] = await ring.blind_index(
                connection, hotel.client_id, "guest.email", "same@example.com", inside.clock.now()
            )
    probes.denied(
        "the same words findable by another",
        len(set(digests.values())) == 2,
        table="tenant_data: guest_index",
    )


# What the client's own library leaves of a connection that is cut off while it is being made.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_cut_off_in_mid_flight(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Two hundred requests of two hotels at once, a third of them cut off at a random moment, five times over."""
    chosen = random.Random(20230320)
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    limits = httpx2.Limits(max_connections=40, max_keepalive_connections=40)
    own = {hotel.name: _content(hotel) for hotel in (otter, heron)}
    async with httpx2.AsyncClient(
        base_url=stack.url_of("gateway"), verify=context, timeout=30, trust_env=False, limits=limits
    ) as http:
        for _ in range(5):
            await _storm(http, (otter, heron), own, chosen, probes)
    await asyncio.sleep(0.5)
    gc.collect()  # here, where that is expected


def _content(hotel: Hotel) -> dict[str, tuple[str, ...]]:
    """Path -> words that its answer must hold, which no other client's does."""
    guest = hotel.guest(name=f"Only of {hotel.name}", notes="n" * 200)
    name = expect(hotel.admin.get("/v1/clients/me"), 200).json()["name"]  # attacks have renamed it
    return {
        f"/v1/guests/{guest['id']}": (guest["id"], f"Only of {hotel.name}"),
        "/v1/users/me": (hotel.admin.user_id, hotel.admin.email),
        "/v1/clients/me": (name,),
        "/v1/guests?limit=5": (guest["id"],),
    }


async def _storm(
    http: httpx2.AsyncClient,
    hotels: tuple[Hotel, Hotel],
    own: dict[str, dict[str, tuple[str, ...]]],
    chosen: random.Random,
    probes: Probes,
) -> None:
    async def ask(hotel: Hotel, path: str) -> tuple[Hotel, str, httpx2.Response]:
        headers = {"Authorization": f"Bearer {hotel.admin.token}"}
        for _ in range(10):
            answer = await http.get(path, headers=headers)
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(float(answer.headers["retry-after"]))  # more at once than it takes
        return hotel, path, answer

    asked = [(hotels[number % 2], list(own[hotels[number % 2].name])[number // 2 % 4]) for number in range(AT_ONCE)]
    tasks = [asyncio.create_task(ask(*one)) for one in asked]
    for task in tasks[::3]:
        await asyncio.sleep(chosen.random() * 0.004)
        task.cancel()
    await asyncio.wait(tasks)
    cut = [task for task in tasks if task.cancelled()]
    answered = [task.result() for task in tasks if not task.cancelled()]  # what failed in any other way is raised
    probes.allowed("some were cut off", 0 < len(cut) <= len(tasks[::3]), len(cut))
    probes.allowed("every other was answered", len(answered) == AT_ONCE - len(cut), len(answered))
    for hotel, path, answer in answered:
        other = hotels[1] if hotel is hotels[0] else hotels[0]
        strange = [word for words in own[other.name].values() for word in words if word in answer.text]
        probes.denied("another's answer", not strange, answer.text, route="GET /v1/guests/{guest_id}")
        whole = answer.status_code == 200 and all(word in answer.text for word in own[hotel.name][path])
        probes.allowed("its own answer, whole", whole, f"{answer.status_code} {answer.text}", on=path)
