"""What the other services need to know of a guest: that it is gone."""

from typing import Literal
from uuid import UUID

from events.event import Event, Instant


class GuestErased(Event):
    """A guest was deleted with its calls and transcripts; whoever holds more of it deletes that too."""

    event: Literal["GuestErased"] = "GuestErased"
    version: Literal[1] = 1
    client_id: UUID
    guest_id: UUID
    at: Instant
