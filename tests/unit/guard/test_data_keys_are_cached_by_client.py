"""02.1, 02.3: an unwrapped key is kept for its time and uses, for its own client; without OpenBao no new one is had."""

import asyncio
import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from guard import errors, keys
from guard.keys import Keyring, NotOurs

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OTTER, HERON = uuid4(), uuid4()
GUEST, OTHER = uuid4(), uuid4()
LIFETIME = 60.0


class Transit:
    """Wraps in memory: what it wrapped for one client it opens for that client only."""

    def __init__(self, clock: "Monotonic") -> None:
        self.clock = clock
        self.wrapped: dict[tuple[UUID, str], bytes] = {}
        self.asked = 0
        self.seconds = 0.0
        self.is_sealed = False

    async def new_data_key(self, service: str, client_id: UUID) -> tuple[bytes, str]:
        key, wrapped = os.urandom(32), f"wrapped:{len(self.wrapped)}"
        self.wrapped[client_id, wrapped] = key
        return key, wrapped

    async def unwrap(self, service: str, client_id: UUID, wrapped: str) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        self.clock.at += self.seconds
        if self.is_sealed or (client_id, wrapped) not in self.wrapped:
            raise errors.Unavailable
        return self.wrapped[client_id, wrapped]


class Tables:
    """`guard.data_key` and `guard.subject_key` as far as `Keyring` asks for them, each answer filtered by client."""

    def __init__(self) -> None:
        self.data: dict[tuple[UUID, UUID], tuple[str, str]] = {}
        self.made: dict[UUID, datetime] = {}
        self.subjects: dict[tuple[UUID, UUID], tuple[UUID, bytes]] = {}

    async def execute(self, sql: str, *arguments: Any) -> None:
        if "INTO guard.data_key" in sql:
            client_id, data_key_id, purpose, wrapped, created_at = arguments
            self.data[client_id, data_key_id] = (purpose, wrapped)
            self.made[data_key_id] = created_at
        elif "INTO guard.subject_key" in sql:
            client_id, subject_id, data_key_id, wrapped = arguments
            self.subjects[client_id, subject_id] = (data_key_id, wrapped)
        else:
            assert "pg_advisory_xact_lock" in sql

    async def fetchrow(self, sql: str, client_id: UUID, purpose: str) -> dict[str, Any] | None:
        found = [at[1] for at, (its, _) in self.data.items() if at[0] == client_id and its == purpose]
        return {"data_key_id": found[-1], "created_at": self.made[found[-1]]} if found else None

    async def fetchval(self, sql: str, client_id: UUID, data_key_id: UUID) -> str | None:
        return self.data.get((client_id, data_key_id), ("", None))[1]

    async def fetch(self, sql: str, client_id: UUID, subject_ids: list[UUID]) -> list[dict[str, Any]]:
        return [
            {"subject_id": one, "data_key_id": row[0], "wrapped": row[1]}
            for one in subject_ids
            if (row := self.subjects.get((client_id, one)))
        ]


class Monotonic:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    made = Monotonic()
    monkeypatch.setattr(keys, "time", made)
    return made


@pytest.fixture
def transit(clock: Monotonic) -> Transit:
    return Transit(clock)


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
async def ring(transit: Transit, tables: Tables) -> Keyring:
    """A keyring whose two clients have a subject each, and nothing in its cache yet."""
    for client_id, subject_id in ((OTTER, GUEST), (HERON, OTHER)):
        await Keyring(transit, "tenant_data").create(tables, client_id, subject_id, NOW)
    return Keyring(transit, "tenant_data", lifetime=LIFETIME)


async def of(ring: Keyring, tables: Tables, client_id: UUID = OTTER, subject_id: UUID = GUEST) -> bytes:
    return (await ring.subject_keys(tables, client_id, [subject_id]))[subject_id].key


class TestAnotherClient:
    async def test_finds_no_subject_of_ours(self, ring: Keyring, tables: Tables) -> None:
        assert await ring.subject_keys(tables, HERON, [GUEST]) == {}

    async def test_a_copied_row_does_not_open_under_its_key(self, ring: Keyring, tables: Tables) -> None:
        await of(ring, tables)
        (heron_key,) = [at[1] for at in tables.data if at[0] == HERON]
        tables.subjects[HERON, GUEST] = (heron_key, tables.subjects[OTTER, GUEST][1])
        with pytest.raises(NotOurs):
            await of(ring, tables, HERON, GUEST)

    async def test_a_cached_key_is_never_served_by_its_id_alone(
        self, ring: Keyring, tables: Tables, transit: Transit
    ) -> None:
        await of(ring, tables)
        tables.subjects[HERON, GUEST] = tables.subjects[OTTER, GUEST]
        with pytest.raises(NotOurs):
            await of(ring, tables, HERON, GUEST)
        assert transit.asked == 1

    async def test_nor_when_its_row_was_copied_too(self, ring: Keyring, tables: Tables) -> None:
        await of(ring, tables)
        data_key_id, _ = tables.subjects[OTTER, GUEST]
        tables.subjects[HERON, GUEST] = tables.subjects[OTTER, GUEST]
        tables.data[HERON, data_key_id] = tables.data[OTTER, data_key_id]
        with pytest.raises(errors.Unavailable):  # OpenBao opens it with Heron Inn's key, and it is not Heron Inn's
            await of(ring, tables, HERON, GUEST)

    async def test_a_subjects_key_is_its_own(self, ring: Keyring, tables: Tables) -> None:
        await ring.create(tables, OTTER, OTHER, NOW)
        tables.subjects[OTTER, OTHER] = tables.subjects[OTTER, GUEST]
        with pytest.raises(NotOurs):
            await of(ring, tables, OTTER, OTHER)


class TestCached:
    async def test_for_its_lifetime(self, ring: Keyring, tables: Tables, transit: Transit, clock: Monotonic) -> None:
        first = await of(ring, tables)
        transit.is_sealed = True
        clock.at += LIFETIME
        assert await of(ring, tables) == first
        clock.at += 0.001
        with pytest.raises(errors.Unavailable):
            await of(ring, tables)

    async def test_counted_from_the_question(
        self, ring: Keyring, tables: Tables, transit: Transit, clock: Monotonic
    ) -> None:
        transit.seconds = 50.0
        await of(ring, tables)
        clock.at += 11
        transit.is_sealed = True
        with pytest.raises(errors.Unavailable):
            await of(ring, tables)

    async def test_and_fetched_again_after(
        self, ring: Keyring, tables: Tables, transit: Transit, clock: Monotonic
    ) -> None:
        first = await of(ring, tables)
        clock.at += LIFETIME + 1
        assert await of(ring, tables) == first
        assert transit.asked == 2

    async def test_for_so_many_uses(self, ring: Keyring, tables: Tables, transit: Transit) -> None:
        await of(ring, tables)
        for data_key in ring._unwrapped.values():
            data_key.uses_left = 1
        await of(ring, tables)
        await of(ring, tables)
        assert transit.asked == 2

    async def test_once_for_all_who_ask_at_once(self, ring: Keyring, tables: Tables, transit: Transit) -> None:
        assert len({*await asyncio.gather(*(of(ring, tables) for _ in range(50)))}) == 1
        assert transit.asked == 1

    async def test_not_for_more_clients_than_there_is_room_for(
        self, ring: Keyring, tables: Tables, transit: Transit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "_CACHED", 1)
        await of(ring, tables)
        await of(ring, tables, HERON, OTHER)
        await of(ring, tables)
        assert transit.asked == 3

    async def test_not_before_its_row_is_committed(self, transit: Transit) -> None:
        ring, rolled_back, committed = Keyring(transit, "tenant_data"), Tables(), Tables()
        await ring.create(rolled_back, OTTER, GUEST, NOW)
        await ring.create(committed, OTTER, GUEST, NOW)
        assert committed.subjects[OTTER, GUEST][0] in {at[1] for at in committed.data}

    async def test_nor_by_who_finds_it_in_the_transaction_that_made_it(self, transit: Transit) -> None:
        """A guest's e-mail makes the index key, the phone finds it: rolled back, no later digest may be under it."""
        ring, rolled_back, committed = Keyring(transit, "tenant_data"), Tables(), Tables()
        for value in ("a@example.com", "+34600000000"):
            await ring.blind_index(rolled_back, OTTER, "guest.email", value, NOW)
        later = NOW + timedelta(seconds=1)
        await ring.blind_index(committed, OTTER, "guest.email", "a@example.com", later)
        assert [purpose for purpose, _ in committed.data.values()] == ["index"]


class TestNew:
    async def test_without_openbao_there_is_none(self, tables: Tables, transit: Transit, ring: Keyring) -> None:
        transit.is_sealed = True
        with pytest.raises(errors.Unavailable):
            await ring.create(tables, OTTER, uuid4(), NOW)

    async def test_none_is_stored_in_clear(self, ring: Keyring, tables: Tables, transit: Transit) -> None:
        made = await ring.create(tables, OTTER, uuid4(), NOW)
        stored = [row[1] for row in tables.subjects.values()]
        assert not [one for one in stored if made.key in one]
        assert not {*transit.wrapped.values()} & {*stored}

    async def test_what_it_seals_opens_later(self, ring: Keyring, tables: Tables, transit: Transit) -> None:
        made = await ring.create(tables, OTTER, OTHER, NOW)
        sealed = made.seal({"a": 1}, ("guest", OTHER))
        later = await Keyring(transit, "tenant_data").subject_keys(tables, OTTER, [OTHER, GUEST])
        assert later.keys() == {OTHER, GUEST}
        assert later[OTHER].open(sealed, ("guest", OTHER)) == {"a": 1}


class TestBlindIndex:
    async def test_it_is_hmac_under_a_key_of_the_client_and_field(
        self, ring: Keyring, tables: Tables, transit: Transit
    ) -> None:
        digest = await ring.blind_index(tables, OTTER, "guest.email", "a@example.com", NOW)
        ((_, wrapped),) = [row for at, row in tables.data.items() if at[0] == OTTER and row[0] == "index"]
        # RFC 5869 by hand.
        drawn = hmac.digest(OTTER.bytes, transit.wrapped[OTTER, wrapped], "sha256")
        key = hmac.digest(drawn, b"blind-index|guest.email\x01", "sha256")
        assert digest == hmac.new(key, b"a@example.com", hashlib.sha256).digest()

    async def test_the_same_value_is_another_elsewhere(self, ring: Keyring, tables: Tables) -> None:
        asked = [(OTTER, "guest.email", "a"), (OTTER, "guest.phone", "a"), (HERON, "guest.email", "a")]
        digests = {await ring.blind_index(tables, *one, NOW) for one in [*asked, (OTTER, "guest.email", "b")]}
        assert len(digests) == 4
        assert await ring.blind_index(tables, *asked[0], NOW) in digests

    async def test_it_is_not_under_the_key_of_the_data(self, ring: Keyring, tables: Tables) -> None:
        await ring.blind_index(tables, OTTER, "guest.email", "a", NOW)
        assert sorted(row[0] for at, row in tables.data.items() if at[0] == OTTER) == ["data", "index"]


def test_nothing_prints_a_data_key() -> None:
    held = keys._DataKey(uuid4(), uuid4(), b"k" * 32, 0.0)
    assert "kkkk" not in repr(held)
