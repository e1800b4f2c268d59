"""03.1: a cursor opens only in the list and for the client that it was given to; any other is a 422."""

import base64
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from guard import errors
from guard.page import Page, _Cursor
from guard.seal import SealKey

AT = (datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC), UUID("0190a0b0-0000-7000-8000-000000000001"))
KIND = tuple[datetime, UUID]
CLIENT = uuid4()


def request(client: UUID = CLIENT, path: str = "/v1/things", key: bytes = b"k" * 32) -> Any:
    door = SimpleNamespace(seal_key=SealKey(1, key))
    scope = {"state": {"client_id": client}, "route": SimpleNamespace(path=path)}
    return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(door=door)), scope=scope)


def given() -> str:
    page: Page[int] = _Cursor(request(), None).page([1, 2], AT)
    assert page.items == [1, 2]
    assert page.next_cursor is not None
    return page.next_cursor


def changed(cursor: str, place: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place] ^= 1
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TestRefused:
    @pytest.mark.parametrize(
        "asked", [request(client=uuid4()), request(path="/v1/others"), request(key=b"j" * 32)], ids=["c", "r", "k"]
    )
    def test_elsewhere(self, asked: Any) -> None:
        with pytest.raises(errors.Invalid) as refused:
            _Cursor(asked, given()).after(KIND)
        assert [pointer for pointer, _ in refused.value.errors] == ["/cursor"]

    @pytest.mark.parametrize("text", ["", "x", "!!!!", "ü", "a" * 22, "\0", "=" * 8, "e30"])
    def test_nonsense(self, text: str) -> None:
        with pytest.raises(errors.Invalid):
            _Cursor(request(), text).after(KIND)

    def test_every_changed_byte(self) -> None:
        cursor = given()
        for place in range(len(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))):
            with pytest.raises(errors.Invalid):
                _Cursor(request(), changed(cursor, place)).after(KIND)

    def test_of_another_kind(self) -> None:
        with pytest.raises(errors.Invalid):
            _Cursor(request(), given()).after(UUID)


class TestAccepted:
    def test_where_it_was_given(self) -> None:
        assert _Cursor(request(), given()).after(KIND) == AT

    def test_none_is_the_first_page(self) -> None:
        assert _Cursor(request(), None).after(KIND) is None

    def test_the_last_page_has_none(self) -> None:
        assert _Cursor(request(), None).page([1], None).next_cursor is None

    def test_it_fits_an_address(self) -> None:
        assert len(given()) < 200
        assert set(given()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
