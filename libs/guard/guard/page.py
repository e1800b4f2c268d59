"""Keyset pages: newest first, stable under inserts. A cursor is opaque, and no other client's or route's opens here."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from guard import errors

Item = TypeVar("Item")
Key = TypeVar("Key")
_READERS: dict[object, TypeAdapter[Any]] = {}  # one for each list there is: to make one takes longer than a page
_MAC = 16  # bytes; RLS is the guard, a cursor only has to be unforgeable in practice


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None


async def _limit(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> int:
    return limit


Limit = Annotated[int, Depends(_limit)]
"""`?limit=`, 1 to 200, 50 when absent."""


class _Cursor:
    def __init__(self, request: Request, text: str | None) -> None:
        self._request = request
        self._text = text

    def after(self, key: type[Key]) -> Key | None:
        """The sort key after which this page begins, None for the first.

        Raises Invalid for a cursor that this list did not give to this client.
        """
        if self._text is None:
            return None
        try:
            raw = base64.b64decode(self._text + "=" * (-len(self._text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as refused:
            raise _refused() from refused
        mac, payload = raw[:_MAC], raw[_MAC:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise _refused()
        try:
            found: Key = _reader(key).validate_json(payload)
        except ValidationError as refused:
            raise _refused() from refused
        return found

    def page(self, items: Sequence[Item], last: object | None) -> Page[Item]:
        """A page of `items`; `last` is the sort key of its last one when more follow, else None."""
        if last is None:
            return Page(items=list(items), next_cursor=None)
        payload = to_json(last)  # by value, not by type: asyncpg's ids are a subclass that pydantic has no schema for
        cursor = base64.urlsafe_b64encode(self._mac(payload) + payload).rstrip(b"=").decode()
        return Page(items=list(items), next_cursor=cursor)

    def _mac(self, payload: bytes) -> bytes:
        key = hashlib.sha256(b"cursor|" + self._request.app.state.door.seal_key.key).digest()
        about = f"{self._request.scope['state']['client_id']}|{self._request.scope['route'].path}|".encode()
        return hmac.digest(key, about + payload, "sha256")[:_MAC]


def _reader(key: Any) -> TypeAdapter[Any]:
    return _READERS.get(key) or _READERS.setdefault(key, TypeAdapter(key))


async def _cursor(request: Request, cursor: Annotated[str | None, Query(max_length=512)] = None) -> _Cursor:
    return _Cursor(request, cursor)


Cursor = Annotated[_Cursor, Depends(_cursor)]
"""`?cursor=`, as the page before gave it; a route asks for it after its caller."""


def _refused() -> errors.Invalid:
    return errors.Invalid([("/cursor", "This cursor is not one that this list gave.")])
