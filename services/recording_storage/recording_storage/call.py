"""Whose a call is: asked of tenant_data, as the caller itself, over mTLS. No call is known here by anything else."""

from collections.abc import Mapping
from uuid import UUID

import httpx2

from guard import errors

_REFUSALS: Mapping[int, type[errors.Problem]] = {401: errors.Unauthenticated, 404: errors.NotFound}


class Calls:
    """The calls of tenant_data."""

    def __init__(self, http: httpx2.AsyncClient, tenant_data: str) -> None:
        """`tenant_data` is its address, https://host:port."""
        self._http = http
        self._address = tenant_data

    async def guest_of(self, call_id: UUID, on_behalf: Mapping[str, str]) -> UUID | None:
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
