"""Every event class by name. A class that is not here has no schema, no example and no topic."""

from collections.abc import Mapping
from types import MappingProxyType

from events.access import AccessEvent
from events.call import CallAssigned, CallDeleted
from events.client import ClientChanged, ClientOffboarded, ClientRegistered
from events.event import Event
from events.guest import GuestErased
from events.hold import HoldLifted, HoldPlaced
from events.revocation import Heartbeat, Revoked
from events.stored import Stored

EVENTS: Mapping[str, type[Event]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            AccessEvent,
            CallAssigned,
            CallDeleted,
            ClientChanged,
            ClientOffboarded,
            ClientRegistered,
            GuestErased,
            Heartbeat,
            HoldLifted,
            HoldPlaced,
            Revoked,
            Stored,
        )
    }
)


def version_of(kind: type[Event]) -> int:
    """The edition that `kind` writes, from the default of its field `version`."""
    return int(kind.model_fields["version"].default)
