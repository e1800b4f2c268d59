"""Sessions as their owner sees them, and the answers that begin or continue one (04.1). No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from auth.account import Account
from auth.user import User
from guard.body import Body
from guard.keys import SubjectKey

TABLE = "session"
CHALLENGE_SECONDS = 300
CHALLENGE_ATTEMPTS = 5

# Longer than any that can be set: what is too long is simply wrong, never cut.
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Opaque = Annotated[str, Field(min_length=1, max_length=256)]
Code = Annotated[str, Field(min_length=1, max_length=64)]


class SignIn(Body):
    """The first factor, and the token of a device that was here before."""

    email: Annotated[str, Field(min_length=1, max_length=320)]
    password: Password
    device_token: Opaque | None = None


class ChallengeAnswer(Body):
    """The second factor: a one-time code or a recovery code."""

    challenge: Opaque
    code: Code


class Refresh(Body):
    """The refresh token of the last answer."""

    refresh_token: Opaque


class Tokens(BaseModel):
    """A new pair of tokens. Each refresh token works once."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750's word
    expires_in: int
    refresh_token: str
    session_id: UUID


class SignedIn(Tokens):
    """A session has begun. `device_token` makes this device known at its next sign-in."""

    device_token: str
    user: User


class Challenged(BaseModel):
    """The password was right; a code is asked for."""

    challenge: str
    expires_in: int = CHALLENGE_SECONDS
    methods: tuple[Literal["totp", "recovery_code"], ...] = ("totp", "recovery_code")


class Session(BaseModel):
    """One of the caller's sessions. `used_at` is when its tokens were last renewed."""

    id: UUID
    ip: str
    user_agent: str
    created_at: datetime
    used_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True, repr=False)
class SessionRow:
    """A session as it is stored."""

    session_id: UUID
    user_id: UUID
    device_id: UUID | None
    sealed: bytes
    created_at: datetime
    used_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class RefreshRow:
    """A refresh token as it is stored, and the session it continues."""

    session: SessionRow
    secret_hash: bytes


def seal(key: SubjectKey, session_id: UUID, *, ip: str, user_agent: str) -> bytes:
    """Where the session was used from: personal data, so sealed."""
    return key.seal({"ip": ip, "user_agent": user_agent}, about=(TABLE, session_id))


def reveal(row: SessionRow, key: SubjectKey, current: UUID | None) -> Session:
    """The session as its owner sees it."""
    origin = key.open(row.sealed, about=(TABLE, row.session_id))
    return Session(
        id=row.session_id,
        ip=origin["ip"],
        user_agent=origin["user_agent"],
        created_at=row.created_at,
        used_at=row.used_at,
        is_current=row.session_id == current,
    )


def claims(account: Account, session_id: UUID, begun_at: datetime, label: str) -> dict[str, Any]:
    """What an access token says of a user's session, beside times and issuer."""
    said: dict[str, Any] = {
        "sub": str(account.user_id),
        "sid": str(session_id),
        "session_ends": int((begun_at + account.absolute).timestamp()),
        "kind": "user",
        "role": account.role,
        "label": label,
    }
    if account.owes_totp:
        said["owes_totp"] = True
    return said
