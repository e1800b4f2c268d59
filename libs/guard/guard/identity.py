"""Who is calling: built from a verified token and nothing else (invariant 11; 03.1, 04.1, 04.3).

No header, no path and no body may ever name a client; what the gateway checked is checked again here.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.types import Scope

from events.access import Action
from guard import errors, telemetry
from guard.access_token import TokenRefused, TokenVerifier
from guard.clock import Clock
from guard.rights import ENROLLING, NEEDS, ROLES, Right

_REMEMBERED = 10_000  # verified tokens; the signature is not checked again before `exp`, revocation always is


@dataclass(frozen=True, slots=True)
class Caller:
    """One of three kinds (DESIGN 4.1). `client_id` is the only client that this caller can reach."""

    kind: Literal["user", "operator", "service"]
    id: str
    label: str
    client_id: UUID
    rights: frozenset[Right] = frozenset()
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    session_id: UUID | None = None
    reason: str | None = None
    owes_totp: bool = False
    issued_at: int = 0
    ends_at: int | None = None  # when work that outlives its token ends, in seconds as `issued_at`; None: not known
    trace_id: str | None = None

    def may(self, action: Action) -> bool:
        """Whether this caller holds the right that `action` needs; a service is held by its own closed routes."""
        if self.kind == "service":
            return True
        if self.owes_totp and action not in ENROLLING:
            return False
        return NEEDS.get(action) in self.rights


class Claims(BaseModel):
    """The claims of an access token, as `auth` signs them. Anything else in it is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iss: str
    aud: str
    sub: str
    client_id: UUID
    sid: UUID | None = None
    kind: Literal["user", "operator"]
    label: str
    role: Literal["admin", "agent", "viewer"] | None = None
    rights: tuple[Right, ...] = ()
    reason: str | None = None
    owes_totp: bool = False
    session_ends: int | None = None  # at the latest
    iat: int
    nbf: int
    exp: int
    jti: str

    def held(self) -> frozenset[Right]:
        """The rights of the role, or for an operator the ones granted by name."""
        return ROLES[self.role] if self.role is not None else frozenset(self.rights)


class Identity:
    """Turns a request into its caller: token, then revocation. One for each process."""

    def __init__(self, verifier: TokenVerifier, is_revoked: Callable[[Claims], Awaitable[bool]], clock: Clock) -> None:
        self._clock = clock
        self._verifier = verifier
        self._is_revoked = is_revoked
        self._remembered: OrderedDict[bytes, Claims] = OrderedDict()

    async def caller(self, request: Request) -> Caller:
        """The caller of `request`. Raises Unauthenticated, or Unavailable when revocation cannot be known."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.Unauthenticated
        claims = await self._claims(token)
        if await self._is_revoked(claims):
            raise errors.Unauthenticated
        state = request.scope["state"]
        state["client_id"] = claims.client_id  # what `guard.page` binds cursors to
        return Caller(
            kind=claims.kind,
            id=claims.sub,
            label=claims.label,
            client_id=claims.client_id,
            rights=claims.held(),
            ip=state["ip"],
            user_agent=request.headers.get("user-agent", "")[:256],
            request_id=state["request_id"],
            session_id=claims.sid,
            reason=claims.reason,
            owes_totp=claims.owes_totp,
            issued_at=claims.iat,
            ends_at=claims.exp if claims.sid is None else claims.session_ends,
            trace_id=telemetry.trace_id(),
        )

    async def _claims(self, token: str) -> Claims:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._remembered.get(digest)
        if claims is not None and claims.exp > self._clock.now().timestamp():
            return claims
        try:
            claims = Claims.model_validate(await self._verifier.verify(token))
        except (TokenRefused, ValidationError) as refused:
            raise errors.Unauthenticated from refused
        self._remembered[digest] = claims
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return claims


def peer_of(scope: Scope) -> str | None:
    """The workload (`auth`) or operator (`operator/alice`) of the client certificate, from its URI SAN."""
    for name in scope.get("extensions", {}).get("tls_peer", {}).get("names", ()):
        if name.startswith("URI:spiffe://konci/"):
            return str(name.removeprefix("URI:spiffe://konci/"))
    return None


def peer(request: Request) -> str | None:
    """The workload or operator on the other end of `request`'s connection."""
    return peer_of(request.scope)


class May(SecurityBase):
    """A dependency, and to OpenAPI the scheme that it asks for: the caller, if it may do `action`."""

    model = HTTPBearer(bearerFormat="JWT", description="An access token of `POST /v1/sessions`.")
    scheme_name = "access_token"

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = await request.app.state.identity.caller(request)
        if not caller.may(self.action):
            await request.app.state.door.entry(request.scope["state"]).refuse(caller, self.action)
            raise errors.Forbidden(NEEDS.get(self.action, self.action))
        return caller


def may(action: Action) -> May:
    """A dependency: the caller, if it may do `action`.

    401 without a valid token. Without the right: the refusal is committed to the client's own log, then 403.
    Use as `MayReadGuests = Annotated[Caller, Depends(may(Action.GUEST_READ))]`.
    """
    return May(action)


async def _workload(request: Request) -> str:
    name = peer(request)
    if name is None:
        raise errors.Unauthenticated
    return name


Workload = Annotated[str, Depends(_workload)]
"""The mTLS identity of the peer of an internal route; never absent."""
