"""A point in time as a caller writes it: RFC 3339 with an offset, kept in UTC. Never a number or a local time."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, WithJsonSchema

# Pydantic would also take epoch seconds, as a number or as a string of digits, and guess their unit by size.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # a year of room: no offset can move it past what a datetime can say


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return value
    raise ValueError("a time is written as RFC 3339 with an offset, like 2026-04-02T09:30:00Z")


def _in_range(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise ValueError("a time lies between the years 1970 and 9999")
    return value.astimezone(UTC)


_SAID = {"type": "string", "format": "date-time", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"}
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_range), WithJsonSchema(_SAID)]
"""A time in a body or a query, RFC 3339 §5.6, between 1970 and 9999; anything else is a 422."""
