"""Whose a call is: asked of tenant_data, as the caller itself; which were deleted: as this service. Both over mTLS.

No call is known here by anything else but tenant_data's events.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import httpx2
from pydantic import BaseModel, ValidationError

from guard import errors

_REFUSALS: Mapping[int, type[errors.Problem]] = {401: errors.Unauthenticated, 404: errors.NotFound}


class Deleted(BaseModel):
    """What tenant_data says of the calls that it was asked for."""

    client_id: UUID
    deleted: list[UUID]


class Calls:
    """The calls of tenant_data."""

    def __init__(self, http: httpx2.AsyncClient, tenant_data: str) -> None:
        """`tenant_data` is its address, https://host:port."""
        self._http = http
        self._address = tenant_data

    async def guest_of(self, call_id: UUID, on_behalf: Mapping[bytes, bytes]) -> UUID | None:
        """The guest of the call, None while it has none. Raises NotFound, the same for a foreign and an absent one."""
        try:
            answer = await self._http.get(f"{self._address}/v1/calls/{call_id}", headers=dict(on_behalf))
        except (httpx2.HTTPError, OSError) as away:
            raise errors.Unavailable from away
        if answer.status_code == httpx2.codes.FORBIDDEN:
            raise errors.Forbidden("call:read")
        if not answer.is_success:
            refusal = _REFUSALS.get(answer.status_code, errors.Unavailable)
            raise refusal
        guest_id = answer.json()["guest_id"]
        return None if guest_id is None else UUID(guest_id)

    async def deleted_among(self, client_id: UUID, call_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Those of these calls that were deleted. Raises Unavailable, also for an answer that fits no such question."""
        asked = {"client_id": str(client_id), "call_ids": [str(call_id) for call_id in call_ids]}
        try:
            answer = await self._http.post(f"{self._address}/internal/calls/deleted", json=asked)
        except (httpx2.HTTPError, OSError) as away:
            raise errors.Unavailable from away
        if answer.status_code != httpx2.codes.OK:
            raise errors.Unavailable
        try:
            said = Deleted.model_validate_json(answer.content)
        except ValidationError as unread:
            raise errors.Unavailable from unread
        if said.client_id != client_id or not set(said.deleted) <= set(call_ids):
            raise errors.Unavailable("tenant_data answered another question.")
        return said.deleted
