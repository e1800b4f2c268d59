"""03.1, invariant 14: of what tenant_data says only an answer to this question counts; all else deletes nothing."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from guard import errors
from recording_storage.call import Calls

OTTER, HERON, GONE, KEPT = uuid4(), uuid4(), uuid4(), uuid4()


def calls(status: int, content: str, seen: list[Any] | None = None) -> Calls:
    """Of a tenant_data that answers so, whatever it is asked."""
    api = FastAPI()

    @api.post("/internal/calls/deleted")
    async def answer(request: Request) -> Response:
        if seen is not None:
            seen.append(await request.json())
        return Response(content, status, media_type="application/json")

    return Calls(httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api)), "https://tenant-data.test")


def said(client_id: Any, *deleted: Any) -> str:
    names = ", ".join(f'"{call_id}"' for call_id in deleted)
    return f'{{"client_id": "{client_id}", "deleted": [{names}]}}'


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, said(OTTER, GONE)),
        (503, said(OTTER, GONE)),
        (403, said(OTTER, GONE)),
        (404, said(OTTER, GONE)),
        (202, said(OTTER, GONE)),
        (200, ""),
        (200, "{}"),
        (200, "null"),
        (200, f'["{GONE}"]'),
        (200, f'{{"deleted": ["{GONE}"]}}'),
        (200, f'{{"client_id": "{OTTER}"}}'),
        (200, f'{{"client_id": "{OTTER}", "deleted": null}}'),
        (200, said(OTTER, GONE, "x")),
        (200, said(HERON, GONE)),
        (200, said(OTTER, GONE, uuid4())),
    ],
)
async def test_nothing_else_counts(status: int, content: str) -> None:
    with pytest.raises(errors.Unavailable):
        await calls(status, content).deleted_among(OTTER, [GONE, KEPT])


async def test_nobody_answers() -> None:
    async def refuse(*_: Any) -> None:
        raise httpx2.ConnectError("refused")

    asked = Calls(httpx2.AsyncClient(transport=httpx2.ASGITransport(app=refuse)), "https://tenant-data.test")
    with pytest.raises(errors.Unavailable):
        await asked.deleted_among(OTTER, [GONE])


async def test_none_was_deleted() -> None:
    assert list(await calls(200, said(OTTER)).deleted_among(OTTER, [GONE, KEPT])) == []


async def test_what_is_named() -> None:
    seen: list[Any] = []
    assert list(await calls(200, said(OTTER, GONE), seen).deleted_among(OTTER, [GONE, KEPT])) == [GONE]
    assert seen == [{"client_id": str(OTTER), "call_ids": [str(GONE), str(KEPT)]}]
