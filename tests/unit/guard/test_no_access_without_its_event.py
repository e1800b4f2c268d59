"""04.4, invariants 5 and 12: an access commits with its event or not at all, a refusal before it is answered.

The database is a list of what it was told: what stands between `BEGIN` and `COMMIT` is there, all else is gone.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.access import Action
from guard import errors
from guard.access import Door, Entry, Untouched
from guard.clock import Clock
from guard.identity import Caller
from guard.rights import ROLES
from guard.seal import SealKey

OTTER = uuid4()
GUEST = uuid4()


class Database:
    """Connections without a server, and the outbox rows of the transactions that committed."""

    def __init__(self) -> None:
        self.committed: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.begun = self.ended = 0
        self.refuses: Exception | None = None
        self.commit = "COMMIT"

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Database"]:
        yield self

    def get_server_pid(self) -> int:
        return 4711

    def is_closed(self) -> bool:
        return False

    async def execute(self, sql: str, *arguments: Any, **options: Any) -> str:
        if sql.startswith("BEGIN"):
            assert f"'{OTTER}." in sql
            self.begun += 1
        elif sql.endswith("; COMMIT") or sql.startswith("ROLLBACK; "):
            self.ended += 1
            if sql.endswith(f"; {self.commit}"):
                self.committed += self.waiting
            self.waiting = []
            return self.commit if sql.endswith("; COMMIT") else "SELECT 1"
        elif "INTO guard.outbox" in sql:
            if self.refuses is not None:
                raise self.refuses
            _, _, topic, key, payload, _ = arguments
            self.waiting.append(json.loads(payload) | {"topic": topic, "key": key})
        return "UPDATE 1"


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def entry(database: Database) -> Entry:
    pools: Any = SimpleNamespace(request=database)
    relay: Any = SimpleNamespace(wake=lambda: None)
    keyring: Any = None
    return Door("tenant_data", pools, SealKey(1, b"k" * 32), keyring, Clock(), relay).entry()


def caller(role: str = "agent", **more: Any) -> Caller:
    return Caller("user", str(uuid4()), "ada", OTTER, ROLES[role], "192.0.2.7", "browser", "request", **more)


class TestNotCommitted:
    async def test_without_a_word_of_what_was_touched(self, entry: Entry, database: Database) -> None:
        with pytest.raises(Untouched):
            async with entry.open(caller(), Action.GUEST_READ):
                pass
        assert (database.committed, database.begun, database.ended) == ([], 1, 1)
        assert "access_event" not in entry.state

    async def test_when_the_route_fails(self, entry: Entry, database: Database) -> None:
        async def route() -> None:
            async with entry.open(caller(), Action.GUEST_READ) as access:
                access.touch("guest", GUEST)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await route()
        assert (database.committed, database.ended) == ([], 1)

    async def test_when_the_outbox_refuses(self, entry: Entry, database: Database) -> None:
        database.refuses = asyncpg.CheckViolationError()
        with pytest.raises(errors.Unavailable):
            async with entry.open(caller(), Action.GUEST_READ) as access:
                access.touch("guest", GUEST)
        assert (database.committed, database.ended) == ([], 1)
        assert "access_event" not in entry.state

    async def test_when_the_commit_was_none(self, entry: Entry, database: Database) -> None:
        database.commit = "ROLLBACK"
        with pytest.raises(RuntimeError, match="rolled back"):
            async with entry.open(caller(), Action.GUEST_READ) as access:
                access.touch("guest", GUEST)
        assert "access_event" not in entry.state


class TestRefused:
    async def test_a_miss_is_recorded_as_it_was_asked(self, entry: Entry, database: Database) -> None:
        asked = uuid4()

        async def route() -> None:
            async with entry.open(caller(), Action.GUEST_READ) as access:
                access.touch("guest", GUEST)
                access.missed("guest", asked)

        with pytest.raises(errors.NotFound) as refused:
            await route()
        assert type(refused.value) is errors.NotFound  # nothing in it tells which id, or why
        (event,) = database.committed
        assert (event["action"], event["outcome"]) == ("guest:read", "denied")
        assert event["resources"] == [{"type": "guest", "id": str(asked)}]
        assert event["guest_id"] is None
        assert database.begun == database.ended == 2
        assert entry.state["access_event"] == event["event_id"]

    @pytest.mark.parametrize("who", [caller("viewer"), caller("admin", owes_totp=True)], ids=["right", "second factor"])
    async def test_a_route_that_forgot_its_check_is_still_closed(
        self, entry: Entry, database: Database, who: Caller
    ) -> None:
        with pytest.raises(errors.Forbidden):
            async with entry.open(who, Action.GUEST_DELETE):
                raise AssertionError("the door was open")
        (event,) = database.committed
        assert (event["outcome"], event["actor"]["id"], event["client_id"]) == ("denied", who.id, str(OTTER))

    async def test_what_cannot_be_recorded_is_not_answered(self, entry: Entry, database: Database) -> None:
        database.refuses = asyncpg.CheckViolationError()
        with pytest.raises(errors.Unavailable):
            async with entry.open(caller(), Action.GUEST_READ) as access:
                access.missed("guest", GUEST)


class TestCommitted:
    async def test_with_identity_date_resource_and_address(self, entry: Entry, database: Database) -> None:
        who = caller()
        async with entry.open(who, Action.GUEST_READ) as access:
            access.touch("guest", GUEST)
            now, event_id = access.now, access.event_id
        (event,) = database.committed
        assert event["actor"] == {"type": "user", "id": who.id, "label": "ada"}
        assert (event["action"], event["outcome"], event["ip"]) == ("guest:read", "allowed", "192.0.2.7")
        assert event["occurred_at"].startswith(now.isoformat()[:19])
        assert (event["resources"], event["guest_id"]) == ([{"type": "guest", "id": str(GUEST)}], str(GUEST))
        assert (event["topic"], event["key"]) == ("access.tenant_data", str(OTTER))
        assert entry.state["access_event"] == event["event_id"] == str(event_id)

    @pytest.mark.parametrize(
        ("own", "written"),
        [(None, "complete, 7 bytes"), ("ticket 4711", "complete, 7 bytes; ticket 4711"), ("t" * 512, None)],
    )
    async def test_with_what_the_service_says_of_it(
        self, entry: Entry, database: Database, own: str | None, written: str | None
    ) -> None:
        async with entry.open(caller(reason=own), Action.RECORDING_PLAYED) as access:
            access.touch("recording", GUEST)
            access.note("cut")
            access.note("complete, 7 bytes")
        (event,) = database.committed
        assert event["reason"] == (written or f"complete, 7 bytes; {own}"[:512])

    async def test_with_a_note_that_leaves_room_for_the_callers_reason(self, entry: Entry, database: Database) -> None:
        async with entry.open(caller(reason="ticket 4711"), Action.GUEST_LIST) as access:
            access.touch_none()
            with pytest.raises(ValueError, match="200"):
                access.note("x" * 201)
            access.note("x" * 200)
        assert database.committed[0]["reason"] == "x" * 200 + "; ticket 4711"

    async def test_of_nothing_found_in_a_list(self, entry: Entry, database: Database) -> None:
        async with entry.open(caller(), Action.GUEST_LIST) as access:
            access.touch_none()
        assert [event["resources"] for event in database.committed] == [[]]

    async def test_of_many_in_as_many_events_as_it_takes(self, entry: Entry, database: Database) -> None:
        ids = [str(UUID(int=number)) for number in range(2001)]
        async with entry.open(caller(), Action.GUEST_LIST) as access:
            for one in ids:
                access.touch("guest", one)
        assert [one["id"] for event in database.committed for one in event["resources"]] == ids
        assert len({event["event_id"] for event in database.committed}) == 3

    async def test_no_two_have_one_salt(self, entry: Entry, database: Database) -> None:
        for _ in range(50):
            async with entry.open(caller(), Action.GUEST_LIST) as access:
                access.touch_none()
        assert len({event["salt"] for event in database.committed}) == 50
