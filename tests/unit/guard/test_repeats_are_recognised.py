"""An Idempotency-Key stands for one caller, one action and one body; what is kept of the body gives nothing away."""

import hashlib
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from events.access import Action
from guard import idempotency
from guard.body import Body

USER = "0190a0b0-0000-7000-8000-000000000001"


class Thing(Body):
    name: str
    count: int = 0
    note: str | None = None


class Reordered(Body):
    note: str | None = None
    count: int = 0
    name: str


def access(kind: str = "user", caller_id: str = USER, action: Action = Action.GUEST_CREATE, **more: Any) -> Any:
    asked: list[tuple[str, str]] = []

    async def blind_index(field: str, value: str) -> bytes:
        asked.append((field, value))
        return hashlib.sha256(f"keyed|{value}".encode()).digest()

    caller = SimpleNamespace(kind=kind, id=caller_id)
    return SimpleNamespace(caller=caller, action=action, blind_index=blind_index, asked=asked, **more)


class TestKey:
    @pytest.mark.parametrize(
        "other",
        [
            (access("operator"), "k"),
            (access(caller_id=str(UUID(int=7))), "k"),
            (access(action=Action.CALL_CREATE), "k"),
            (access(), "K"),
            (access(), "k|"),
        ],
        ids=["kind", "caller", "action", "key", "longer key"],
    )
    def test_of_anybody_or_anything_else_is_another(self, other: tuple[Any, str]) -> None:
        assert idempotency._hash(*other) != idempotency._hash(access(), "k")

    def test_again_is_the_same(self) -> None:
        assert idempotency._hash(access(), "k") == idempotency._hash(access(), "k")

    def test_is_not_kept_itself(self) -> None:
        kept = idempotency._hash(access(), "a-key-that-is-long")
        assert len(kept) == 32
        assert b"a-key" not in kept


class TestBody:
    async def body_hash(self, body: Body) -> bytes:
        return await idempotency._body_hash(access(), body)

    @pytest.mark.parametrize(
        "other",
        [Thing(name="Aino "), Thing(name="aino"), Thing(name="Aino", count=1), Thing(name="Aino", note="")],
        ids=str,
    )
    async def test_that_differs_is_another(self, other: Body) -> None:
        assert await self.body_hash(other) != await self.body_hash(Thing(name="Aino"))

    @pytest.mark.parametrize(
        "same", [Thing(name="Aino"), Thing(count=0, name="Aino", note=None), Reordered(name="Aino")], ids=str
    )
    async def test_that_says_the_same_is_the_same(self, same: Body) -> None:
        assert await self.body_hash(same) == await self.body_hash(Thing(name="Aino"))

    async def test_is_hashed_under_a_key_of_the_client_and_never_shown(self) -> None:
        asking = access()
        kept = await idempotency._body_hash(asking, Thing(name="Aino"))
        ((field, value),) = asking.asked
        assert field == "idempotency"
        assert "Aino" not in value
        assert kept == hashlib.sha256(f"keyed|{value}".encode()).digest()
