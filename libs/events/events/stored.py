"""Audit's word that access events are stored: then, and only then, the sender forgets them (invariant 6)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from events.event import Event


class Stored(Event):
    """`event_ids` of `service` are in the log, each once; ids that were there before are confirmed again."""

    event: Literal["Stored"] = "Stored"
    version: Literal[1] = 1
    service: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
    event_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=1000)]
