"""The access event: who did what to whose data, from where, and how it ended (04.4, invariant 5).

It carries ids, never guest content; address and user agent are its only personal data.
"""

import ipaddress
import json
import secrets
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from events.event import Event, Instant, Text
from events.uuid7 import time_of

# Accesses of no client (a workload's sign-in at OpenBao, a certificate issued) belong to the platform itself.
PLATFORM = UUID(int=0)

USER_AGENT_LENGTH = 256  # characters; whoever builds an event cuts a longer one


class Action(StrEnum):
    """Everything that is audited, as `subject:action`. Closed: a new action is added here first."""

    SESSION_CREATE = "session:create"
    SESSION_CHALLENGE = "session:challenge"
    SESSION_REFRESH = "session:refresh"
    SESSION_LIST = "session:list"
    SESSION_REVOKE = "session:revoke"
    USER_INVITE = "user:invite"
    USER_ACTIVATE = "user:activate"
    USER_LIST = "user:list"
    USER_READ = "user:read"
    USER_READ_OWN = "user:read_own"
    USER_UPDATE = "user:update"
    USER_DELETE = "user:delete"
    USER_PASSWORD = "user:password"  # noqa: S105 - the name of an action
    TOTP_ENROL = "totp:enrol"
    TOTP_CONFIRM = "totp:confirm"
    TOTP_REMOVE = "totp:remove"
    CLIENT_CREATE = "client:create"
    CLIENT_LIST = "client:list"
    CLIENT_READ = "client:read"
    CLIENT_UPDATE = "client:update"
    GUEST_CREATE = "guest:create"
    GUEST_LIST = "guest:list"
    GUEST_READ = "guest:read"
    GUEST_UPDATE = "guest:update"
    GUEST_DELETE = "guest:delete"
    GUEST_SEARCH = "guest:search"
    CALL_CREATE = "call:create"
    CALL_LIST = "call:list"
    CALL_READ = "call:read"
    CALL_UPDATE = "call:update"
    CALL_DELETE = "call:delete"
    TRANSCRIPT_WRITE = "transcript:write"
    TRANSCRIPT_READ = "transcript:read"
    TRANSCRIPT_DELETE = "transcript:delete"
    RECORDING_CREATE = "recording:create"
    RECORDING_LIST = "recording:list"
    RECORDING_READ = "recording:read"
    RECORDING_PLAY = "recording:play"  # admitted, before the first byte
    RECORDING_PLAYED = "recording:played"  # how that ended: whole or cut, and how many bytes
    RECORDING_DELETE = "recording:delete"
    RECORDING_HOLD = "recording:hold"
    RECORDING_RELEASE = "recording:release"
    ACCESS_EVENT_LIST = "access_event:list"
    ACCESS_EVENT_READ = "access_event:read"
    ACCESS_EVENT_SEARCH = "access_event:search"
    ACCESS_EVENT_EXPORT = "access_event:export"
    OPERATOR_GRANT = "operator:grant"
    OPERATOR_REGISTER = "operator:register"
    OPERATOR_REVOKE = "operator:revoke"
    # From OpenBao's audit device (02.4): in a client's log when the key is a client's, else the platform's.
    KEY_UNWRAP = "key:unwrap"
    KEY_CREATE = "key:create"
    KEY_READ = "key:read"
    KEY_USE = "key:use"
    KEY_CHANGE = "key:change"
    KEY_EXPORT = "key:export"
    KEY_DELETE = "key:delete"
    SECRET_READ = "secret:read"  # noqa: S105 - the name of an action
    CERTIFICATE_ISSUE = "certificate:issue"
    CREDENTIAL_ISSUE = "credential:issue"
    VAULT_LOGIN = "vault:login"
    VAULT_READ = "vault:read"
    VAULT_CHANGE = "vault:change"


class Outcome(StrEnum):
    """`denied`: not allowed, or not there. `failed`: allowed, and then broken."""

    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


class Actor(BaseModel):
    """Who: the id is stable, the label is what a person reads. `unknown` did not get as far as a name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: Literal["user", "operator", "service", "unknown"]
    id: Annotated[Text, Field(max_length=128)]
    label: Annotated[Text, Field(max_length=256)]


class Resource(BaseModel):
    """One thing that was touched, or asked for: a kind and an id, never content."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
    id: Annotated[Text, Field(min_length=1, max_length=256)]


def canonical_address(text: str) -> str:
    """The one spelling of an IP address, so that a search by address finds it. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _canonical_or_empty(value: object) -> object:
    # Empty: a service on its own, without a peer.
    return canonical_address(value) if isinstance(value, str) and value else value


def new_salt() -> str:
    """32 random bytes as unpadded base64url (RFC 4648 §5), 43 characters."""
    return secrets.token_urlsafe(32)


class AccessEvent(Event):
    """One access. `event_id` is a UUIDv7 of `occurred_at`; `resources` names every row returned."""

    event: Literal["AccessEvent"] = "AccessEvent"
    version: Literal[1] = 1
    event_id: UUID
    occurred_at: Instant
    service: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
    client_id: UUID
    actor: Actor
    action: Action
    resources: Annotated[tuple[Resource, ...], Field(max_length=1000)] = ()
    guest_id: UUID | None = None
    ip: Annotated[str, BeforeValidator(_canonical_or_empty), Field(max_length=64)]
    user_agent: Annotated[Text, Field(max_length=USER_AGENT_LENGTH)] = ""
    outcome: Outcome = Outcome.ALLOWED
    reason: Annotated[Text, Field(max_length=512)] | None = None
    request_id: Annotated[Text, Field(max_length=128)]
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    # The last character holds four bits: pinned, so that 32 bytes have one spelling.
    salt: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]

    @model_validator(mode="after")
    def _id_tells_the_time(self) -> Self:
        # The log is partitioned and read by id: an id of another time would hide the event from its range.
        if time_of(self.event_id) != self.occurred_at:
            message = "event_id is not of the millisecond of occurred_at"
            raise ValueError(message)
        return self

    def canonical(self) -> bytes:
        """The event's one byte form, for commitments: canonical JSON after RFC 8785, UTF-8.

        All keys are ASCII and all values strings, small integers, lists or null, so sorted keys, no spaces
        and JSON's short escapes are all that RFC 8785 asks.
        """
        return json.dumps(
            self.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"), sort_keys=True
        ).encode()
