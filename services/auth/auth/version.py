"""The version of a row as HTTP speaks of it: `ETag` out, `If-Match` in (RFC 9110 8.8.3, 13.1.1). Never a lock."""

import re
from typing import Annotated

from fastapi import Header

from guard.errors import Stale

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=1_000)]

_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag(version: int) -> str:
    """The entity tag of a row at this version."""
    return f'"{version}"'


def require(version: int, if_match: str | None) -> None:
    """Raises Stale when the caller wants to change another version than this one."""
    if if_match is None or if_match.strip() == "*":
        return
    # A weak tag never matches: the comparison that guards a write is the strong one.
    if str(version) not in [value for weak, value in _TAG.findall(if_match) if not weak]:
        raise Stale
