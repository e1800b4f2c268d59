"""02.1, 02.3: a sealed value opens where it belongs and nowhere else, and nobody opens with another's key.

On the real rows of the real databases. Every sealed column that the catalogues know is tried; a new one is tried too.
The keys above them, in OpenBao: tests/isolation/test_keys_in_openbao.py.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.uuid7 import uuid7
from guard import tenant
from guard.access import Door
from guard.keys import NotOurs, SubjectKey
from pentest.evidence import Probes
from stack.settings import SERVICES
from support.catalogue import Table, tenant_tables
from support.database import superuser
from support.hotel import Hotel, expect
from support.machine import Machine
from support.newcomer import newcomer
from support.recordings import send, wav
from support.workload import caller, door

WORD = "a word that only its owner may read"
SEALS_NOTHING = {"audit": "its log holds ids alone"}
SEALING = [name for name in SERVICES if name not in SEALS_NOTHING]
# Sealed columns in which no hotel has a row, and why; any other without one has not been tried.
WITHOUT_A_ROW = {"auth: guard.idempotency.sealed": "auth takes no Idempotency-Key"}


@dataclass(frozen=True)
class Sealed:
    """A sealed value of a row, with all that it is bound to; made only when it opens there."""

    title: str
    key: SubjectKey
    blob: bytes
    about: tuple[str, UUID]


@pytest.fixture(scope="module", autouse=True)
def _words(otter: Hotel, heron: Hotel) -> None:
    """Something sealed in every table that holds such, for both hotels."""
    for hotel in (otter, heron):
        once = {"Idempotency-Key": str(uuid4())}
        expect(hotel.agent.post("/v1/guests", json={"name": WORD, "notes": WORD}, headers=once), 201)
        call = hotel.call(guest_id=hotel.guest(name=WORD)["id"], outcome=WORD)
        turns = {"turns": [{"speaker": "guest", "text": WORD}]}
        expect(hotel.agent.put(f"/v1/calls/{call['id']}/transcript", json=turns), 200, 201)
        newcomer(hotel)
        for _ in range(2):  # what a repeated upload is answered with is sealed
            expect(send(hotel.agent, call["id"], wav(), Idempotency_Key=str(uuid4())), 201)


@pytest.fixture(scope="module", params=SEALING)
async def service(stack: Machine, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    async with door(stack, request.param) as opened:
        yield opened


async def _subject_keys(service: Door, client: UUID) -> list[SubjectKey]:
    async with tenant.transaction(service.pools.request, caller(client), service.seal_key) as connection:
        rows = await connection.fetch("SELECT subject_id FROM guard.subject_key WHERE client_id = $1", client)
        found = await service.keyring.subject_keys(connection, client, [row["subject_id"] for row in rows])
    return list(found.values())


def _abouts(table: Table, column: str, row: asyncpg.Record) -> Iterator[tuple[str, UUID]]:
    """What the value may be bound to: its table (or the part of it that the column names) and one of the row's ids."""
    name = table.name.rpartition(".")[2]
    part = column.removesuffix("_sealed")
    for bound in (name, f"{name}.{part}", f"{name}_{part}", part, f"{part}_{name}", column, f"{name}.{column}"):
        for kind in table.columns:
            if table.columns[kind] == "uuid" and row[kind] is not None:
                yield bound, row[kind]


async def _columns(connection: asyncpg.Connection, service: str) -> list[tuple[Table, str]]:
    """Every sealed column of the service's database."""
    tables = await tenant_tables(connection, service)
    return [
        (table, column)
        for table in tables
        for column, kind in table.columns.items()
        if kind == "bytea" and "sealed" in column
    ]


async def _sealed(stack: Machine, service: Door, hotel: Hotel) -> list[Sealed]:
    """One value of each sealed column, of a row of this hotel, opened where it belongs."""
    keys = await _subject_keys(service, hotel.client_id)
    found = []
    async with superuser(stack, service.service) as connection:
        for table, column in await _columns(connection, service.service):
            rows = await connection.fetch(
                f"SELECT * FROM {table.name} WHERE client_id = $1 AND length({column}) > 0 LIMIT 1", hotel.client_id
            )
            title = f"{table.title}.{column}"
            assert bool(rows) != (title in WITHOUT_A_ROW), (
                f"BROKEN PROBE {title}: {len(rows)} rows: have `_words` make one, or give a reason in WITHOUT_A_ROW"
            )
            found += [_opened(title, keys, row[column], list(_abouts(table, column, row))) for row in rows]
    return found


@pytest.mark.parametrize("name", SEALS_NOTHING)
async def test_a_service_that_seals_nothing(stack: Machine, name: str) -> None:
    """If it comes to seal something, it is tried like the others: take it out of SEALS_NOTHING."""
    async with superuser(stack, name) as connection:
        columns = [(table.name, column) for table, column in await _columns(connection, name)]
        for table, column in (*columns, ("guard.subject_key", "wrapped")):
            assert not await connection.fetchval(f"SELECT count(*) FROM {table} WHERE length({column}) > 0"), table


def _opened(title: str, keys: list[SubjectKey], blob: bytes, abouts: list[tuple[str, UUID]]) -> Sealed:
    for key in keys:
        for about in abouts:
            if _opens(key, blob, about):
                return Sealed(title, key, blob, about)
    raise AssertionError(
        f"BROKEN PROBE {title} does not open: say in tests/isolation/test_keys_and_ciphertexts.py what it is bound to"
    )


def _opens(key: SubjectKey, blob: bytes, about: tuple[str, UUID]) -> bool:
    try:
        key.open(blob, about)
    except NotOurs:
        return False
    return True


def _but(one: SubjectKey, **changed: Any) -> SubjectKey:
    told = {name: getattr(one, name) for name in ("client_id", "subject_id", "data_key_id", "key")}
    return SubjectKey(**{**told, **changed})


async def test_a_sealed_value_elsewhere(
    stack: Machine, service: Door, otter: Hotel, heron: Hotel, probes: Probes
) -> None:
    mine, theirs = await _sealed(stack, service, otter), await _sealed(stack, service, heron)
    assert theirs
    foreign_keys = {one.key.subject_id: one.key for one in mine}.values()
    for one in theirs:
        where = one.title.rpartition(".")[0]
        row, other = one.about[1], uuid7()
        attempts = {
            "in another row": (one.key, one.blob, (one.about[0], other)),
            "in another table": (one.key, one.blob, ("elsewhere", row)),
            "for another client": (_but(one.key, client_id=otter.client_id), one.blob, one.about),
            "under another data key": (_but(one.key, data_key_id=other), one.blob, one.about),
            "with another key": (_but(one.key, key=bytes(32)), one.blob, one.about),
            "of an older format": (one.key, b"\x00" + one.blob[1:], one.about),
            "of a newer format": (one.key, b"\x02" + one.blob[1:], one.about),
            "cut short": (one.key, one.blob[:-1], one.about),
            "made longer": (one.key, one.blob + b"\x00", one.about),
            "with nothing in it": (one.key, b"", one.about),
        }
        for byte in (0, 1, 12, 13, len(one.blob) // 2, len(one.blob) - 1):
            bent = bytearray(one.blob)
            bent[byte] ^= 1
            attempts[f"with byte {byte} changed"] = (one.key, bytes(bent), one.about)
        for case, (key, blob, about) in attempts.items():
            probes.denied(
                f"a sealed value {case.split(' ')[0]} {'bytes changed' if 'byte ' in case else case.split(' ', 1)[1]}",
                not _opens(key, blob, about),
                one.title,
                table=where,
            )
        for key in foreign_keys:
            probes.denied(
                "a sealed value with another client's key", not _opens(key, one.blob, one.about), one.title, table=where
            )
        probes.allowed("it opens where it belongs", _opens(one.key, one.blob, one.about), on=one.title)


async def test_a_wrapped_key_elsewhere(
    stack: Machine, service: Door, otter: Hotel, heron: Hotel, probes: Probes
) -> None:
    """A person's key, moved to another person, another client or another data key, does not unwrap."""
    sealed = "SELECT subject_id, data_key_id, wrapped FROM guard.subject_key WHERE client_id = $1 LIMIT 2"
    async with superuser(stack, service.service) as connection:
        theirs = [dict(row) for row in await connection.fetch(sealed, heron.client_id)]
        mine = [dict(row) for row in await connection.fetch(sealed, otter.client_id)]
    first, second = theirs
    ring, pool = service.keyring, service.pools.request
    table = f"{service.service}: guard.subject_key"

    async def unwraps(hotel: Hotel, subject: UUID, data_key: UUID, wrapped: bytes) -> bool:
        try:
            async with tenant.transaction(pool, caller(hotel.client_id), service.seal_key) as connection:
                await ring.unwrap(connection, hotel.client_id, subject, data_key, wrapped)
        except NotOurs:
            return False
        return True

    here = (first["subject_id"], first["data_key_id"], first["wrapped"])
    for turn in ("cold", "warm"):  # before and after its data key is in the cache
        attempts = {
            "for another person": (heron, second["subject_id"], first["data_key_id"], first["wrapped"]),
            "for another client": (otter, *here),
            "for another client's person": (otter, mine[0]["subject_id"], first["data_key_id"], first["wrapped"]),
            "under another client's data key": (otter, mine[0]["subject_id"], mine[0]["data_key_id"], first["wrapped"]),
            "in another client's row, under its own": (
                heron,
                first["subject_id"],
                mine[0]["data_key_id"],
                mine[0]["wrapped"],
            ),
            "under a data key that is not there": (heron, first["subject_id"], uuid7(), first["wrapped"]),
        }
        for case, (hotel, *which) in attempts.items():
            probes.denied(f"a person's key {case}", not await unwraps(hotel, *which), turn, table=table)
        probes.allowed("a person's key where it belongs", await unwraps(heron, *here), on=table)


async def test_rows_swapped_in_the_database(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Whoever can write the tables still cannot have another's words shown: the answer is an error, never the words."""
    guests = [hotel.guest(name=f"{WORD} {n}", notes=WORD) for hotel in (heron, heron, otter) for n in (uuid4().hex,)]
    victim, neighbour, stranger = (UUID(guest["id"]) for guest in guests)
    swaps = {
        "a neighbour's words": ("guest", "sealed", "guest_id", heron.client_id, neighbour),
        "another client's words": ("guest", "sealed", "guest_id", otter.client_id, stranger),
        "a neighbour's key": ("guard.subject_key", "wrapped", "subject_id", heron.client_id, neighbour),
        "another client's key": ("guard.subject_key", "wrapped", "subject_id", otter.client_id, stranger),
    }
    async with superuser(stack, "tenant_data") as connection:
        for case, (table, column, key, client, source) in swaps.items():
            kept = await connection.fetchval(
                f"SELECT {column} FROM {table} WHERE client_id = $1 AND {key} = $2", heron.client_id, victim
            )
            taken = await connection.fetchval(
                f"SELECT {column} FROM {table} WHERE client_id = $1 AND {key} = $2", client, source
            )
            write = f"UPDATE {table} SET {column} = $3 WHERE client_id = $1 AND {key} = $2"
            await connection.execute(write, heron.client_id, victim, taken)
            try:
                answer = heron.agent.get(f"/v1/guests/{victim}")
                listed = heron.agent.get("/v1/guests", params={"limit": 200})
            finally:
                await connection.execute(write, heron.client_id, victim, kept)
            holds = answer.status_code >= 500 and WORD not in answer.text
            probes.denied(f"{case} put in its place", holds, answer.text, table=f"tenant_data: {table}")
            probes.denied(
                f"{case} put in its place, listed",
                listed.status_code >= 500,
                listed.text,
                table=f"tenant_data: {table}",
            )
            answer = heron.agent.get(f"/v1/guests/{victim}")
            probes.allowed("its own words, put back", WORD in answer.text, answer.text, on=case)
