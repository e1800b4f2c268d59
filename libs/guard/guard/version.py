"""The version of a row as HTTP speaks of it: `ETag` out, `If-Match` in (RFC 9110 8.8.3, 13.1.1). Never a lock."""

import re
from typing import Annotated

from fastapi import Header

from guard.errors import Stale

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=1_000)]
"""The versions that the caller knows, as the parameter of a route that changes a row."""

_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag(version: int) -> str:
    """The entity tag of a row at this version."""
    return f'"{version}"'


def require(version: int | None, if_match: str | None) -> None:
    """Raises Stale when the caller has asked for another version than this one; None: there is no row yet."""
    if if_match is None:
        return
    if version is not None and (if_match.strip() == "*" or str(version) in _named(if_match)):
        return
    raise Stale


def _named(if_match: str) -> list[str]:
    # A weak tag never matches here: the comparison that guards a write is the strong one.
    return [value for weak, value in _TAG.findall(if_match) if not weak]
