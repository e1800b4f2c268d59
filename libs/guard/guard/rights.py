"""Who may do what, on one page: rights, the roles that hold them, and the right that each audited action needs (04.3).

A route names its action, never a role; a right that no role holds can still be granted to an operator for ten minutes.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from events.access import Action


class Right(StrEnum):
    """A closed list of `subject:action` rights; a 403 names the one that was missing."""

    GUEST_READ = "guest:read"
    GUEST_WRITE = "guest:write"
    GUEST_DELETE = "guest:delete"
    CALL_READ = "call:read"
    CALL_WRITE = "call:write"
    CALL_DELETE = "call:delete"
    TRANSCRIPT_READ = "transcript:read"
    TRANSCRIPT_WRITE = "transcript:write"
    TRANSCRIPT_DELETE = "transcript:delete"
    RECORDING_READ = "recording:read"
    RECORDING_WRITE = "recording:write"
    RECORDING_PLAY = "recording:play"
    RECORDING_DELETE = "recording:delete"
    RECORDING_HOLD = "recording:hold"
    USER_READ = "user:read"
    USER_WRITE = "user:write"
    CLIENT_READ = "client:read"
    CLIENT_WRITE = "client:write"
    CLIENT_CREATE = "client:create"
    CLIENT_LIST = "client:list"
    SESSION_OWN = "session:own"
    ACCESS_EVENT_READ = "access_event:read"
    ACCESS_EVENT_EXPORT = "access_event:export"


# What an operator does on the platform, not at a client: no role holds these, and no token carries them.
OF_PLATFORM: frozenset[Right] = frozenset({Right.CLIENT_CREATE, Right.CLIENT_LIST})

# What is known of a recording, and not its audio (API.md: a viewer reads and does not listen).
_READS = frozenset({Right.GUEST_READ, Right.CALL_READ, Right.TRANSCRIPT_READ, Right.RECORDING_READ, Right.SESSION_OWN})
_AGENT = _READS | {
    Right.GUEST_WRITE,
    Right.GUEST_DELETE,
    Right.CALL_WRITE,
    Right.CALL_DELETE,
    Right.TRANSCRIPT_WRITE,
    Right.TRANSCRIPT_DELETE,
    Right.RECORDING_WRITE,
    Right.RECORDING_PLAY,
    Right.RECORDING_DELETE,
}

ROLES: Mapping[str, frozenset[Right]] = MappingProxyType(
    {"admin": frozenset(Right) - OF_PLATFORM, "agent": frozenset(_AGENT), "viewer": _READS}
)

# What an action needs. An action that is missing here can be opened by a service only (fail closed).
NEEDS: Mapping[Action, Right] = MappingProxyType(
    {
        Action.GUEST_CREATE: Right.GUEST_WRITE,
        Action.GUEST_LIST: Right.GUEST_READ,
        Action.GUEST_READ: Right.GUEST_READ,
        Action.GUEST_SEARCH: Right.GUEST_READ,
        Action.GUEST_UPDATE: Right.GUEST_WRITE,
        Action.GUEST_DELETE: Right.GUEST_DELETE,
        Action.CALL_CREATE: Right.CALL_WRITE,
        Action.CALL_LIST: Right.CALL_READ,
        Action.CALL_READ: Right.CALL_READ,
        Action.CALL_UPDATE: Right.CALL_WRITE,
        Action.CALL_DELETE: Right.CALL_DELETE,
        Action.TRANSCRIPT_WRITE: Right.TRANSCRIPT_WRITE,
        Action.TRANSCRIPT_READ: Right.TRANSCRIPT_READ,
        Action.TRANSCRIPT_DELETE: Right.TRANSCRIPT_DELETE,
        Action.RECORDING_CREATE: Right.RECORDING_WRITE,
        Action.RECORDING_LIST: Right.RECORDING_READ,
        Action.RECORDING_READ: Right.RECORDING_READ,
        Action.RECORDING_PLAY: Right.RECORDING_PLAY,
        Action.RECORDING_PLAYED: Right.RECORDING_PLAY,
        Action.RECORDING_DELETE: Right.RECORDING_DELETE,
        Action.RECORDING_HOLD: Right.RECORDING_HOLD,
        Action.RECORDING_RELEASE: Right.RECORDING_HOLD,
        Action.USER_INVITE: Right.USER_WRITE,
        Action.USER_LIST: Right.USER_READ,
        Action.USER_READ: Right.USER_READ,
        Action.USER_UPDATE: Right.USER_WRITE,
        Action.USER_DELETE: Right.USER_WRITE,
        Action.USER_READ_OWN: Right.SESSION_OWN,
        Action.USER_PASSWORD: Right.SESSION_OWN,
        Action.TOTP_ENROL: Right.SESSION_OWN,
        Action.TOTP_CONFIRM: Right.SESSION_OWN,
        Action.TOTP_REMOVE: Right.SESSION_OWN,
        Action.SESSION_LIST: Right.SESSION_OWN,
        Action.SESSION_REVOKE: Right.SESSION_OWN,
        Action.CLIENT_READ: Right.CLIENT_READ,
        Action.CLIENT_UPDATE: Right.CLIENT_WRITE,
        Action.ACCESS_EVENT_LIST: Right.ACCESS_EVENT_READ,
        Action.ACCESS_EVENT_READ: Right.ACCESS_EVENT_READ,
        Action.ACCESS_EVENT_SEARCH: Right.ACCESS_EVENT_READ,
        Action.ACCESS_EVENT_EXPORT: Right.ACCESS_EVENT_EXPORT,
    }
)

# How something ended that another action admitted: no route asks for it, its right is that action's.
OUTCOMES: frozenset[Action] = frozenset({Action.RECORDING_PLAYED})

# What a session that still owes its second factor may do: enrol, see itself, sign out (04.1).
ENROLLING: frozenset[Action] = frozenset(
    {Action.TOTP_ENROL, Action.TOTP_CONFIRM, Action.USER_READ_OWN, Action.SESSION_REVOKE}
)
