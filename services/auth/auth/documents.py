"""One OpenAPI document of the whole platform, put together from those of the services (API.md)."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from guard import errors

_FRESH = 30.0  # seconds
_log = logging.getLogger("auth.documents")


def merged(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All public paths in one document; a schema carries its service's name, so that no two services' can clash."""
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {}
    for document in documents:
        service = document["info"]["title"]
        text = json.dumps(document).replace('"#/components/schemas/', f'"#/components/schemas/{service}.')
        renamed = json.loads(text)
        paths |= {path: item for path, item in renamed["paths"].items() if not path.startswith("/internal/")}
        for kind, entries in renamed.get("components", {}).items():
            prefix = f"{service}." if kind == "schemas" else ""
            components.setdefault(kind, {}).update({f"{prefix}{name}": entry for name, entry in entries.items()})
    return {
        "openapi": "3.1.0",
        "info": {**documents[0]["info"], "title": "MyKonci", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": {kind: dict(sorted(entries.items())) for kind, entries in components.items()},
    }


class Documents:
    """Fetches over mTLS, keeps the result for half a minute, and the last good one while a service is away."""

    def __init__(self, sources: Mapping[str, httpx2.AsyncClient]) -> None:
        self._sources = sources  # address → a client that accepts that service's certificate only
        self._merged: dict[str, Any] | None = None
        self._merged_at = float("-inf")
        self._merging = asyncio.Lock()

    async def whole(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The merged document. Raises Unavailable while a service has never answered."""
        async with self._merging:
            if self._merged is None or time.monotonic() - self._merged_at > _FRESH:
                await self._merge(own)
            if self._merged is None:
                raise errors.Unavailable
            return self._merged

    async def _merge(self, own: Mapping[str, Any]) -> None:
        try:
            answers = await asyncio.gather(*(http.get(address) for address, http in self._sources.items()))
            documents = [answer.raise_for_status().json() for answer in answers]
        except (httpx2.HTTPError, ValueError) as failed:
            _log.warning("a document could not be fetched", extra={"error": type(failed).__name__})
            return
        self._merged = merged([own, *documents])
        self._merged_at = time.monotonic()
