"""What one asks of the log: a range of time as a range of ids, and exact values. No I/O."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, Field

from events.access import Action, canonical_address
from events.uuid7 import lowest
from guard.body import Body
from guard.moment import Moment

_FIRST = UUID(int=0)
_LAST = UUID(int=(1 << 128) - 1)


def _address(text: str) -> str:
    try:
        return canonical_address(text)
    except ValueError:
        # The validator's own text would quote the input.
        raise ValueError("not an IP address") from None


_Value = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\u0000]+$")]
_FORMS = {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_Address = Annotated[str, Field(max_length=64, json_schema_extra=_FORMS), AfterValidator(_address)]


@dataclass(frozen=True, slots=True)
class Search:
    """Events with `since <= event_id < before` that carry each value that is not None."""

    since: UUID = _FIRST
    before: UUID = _LAST
    actor_id: str | None = None
    action: Action | None = None
    ip: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None

    def older_than(self, event_id: UUID | None) -> Self:
        """The next page: the same, before `event_id`."""
        return self if event_id is None or event_id >= self.before else replace(self, before=event_id)


def bound(at: datetime) -> UUID:
    """The smallest id of the first millisecond that is not before `at`: events carry no finer time."""
    rest = at.microsecond % 1000
    return lowest(at + timedelta(microseconds=1000 - rest) if rest else at)


class SearchBody(Body):
    """The body of a search: `from` is included, `to` is not. Only a body may hold an address: URLs are logged."""

    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    actor_id: _Value | None = None
    action: Action | None = None
    ip: _Address | None = None
    resource_type: _Value | None = None
    resource_id: _Value | None = None

    def search(self) -> Search:
        return Search(
            since=bound(self.since) if self.since else _FIRST,
            before=bound(self.until) if self.until else _LAST,
            actor_id=self.actor_id,
            action=self.action,
            ip=self.ip,
            resource_type=self.resource_type,
            resource_id=self.resource_id,
        )


async def asked(  # noqa: PLR0917 - one parameter for each of the query's
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    actor_id: Annotated[_Value | None, Query()] = None,
    action: Annotated[Action | None, Query()] = None,
    resource_type: Annotated[_Value | None, Query()] = None,
    resource_id: Annotated[_Value | None, Query()] = None,
) -> Search:
    """The same from a URL, without the address."""
    return Search(
        since=bound(since) if since else _FIRST,
        before=bound(until) if until else _LAST,
        actor_id=actor_id,
        action=action,
        resource_type=resource_type,
        resource_id=resource_id,
    )
