"""A user as sign-in sees it: credentials, standing, and what its client demands. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from guard.keys import SubjectKey

PASSWORD = "credential.password"  # noqa: S105 - where a sealed value belongs, not the value
TOTP = "credential.totp"
OFFERED = timedelta(minutes=15)  # how long an offered second factor waits for its first code
_LONGEST_TOKEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """One user with its credential and the settings of its client."""

    user_id: UUID
    email_index: bytes
    sealed: bytes
    role: str
    status: str
    version: int
    created_at: datetime
    password_sealed: bytes | None
    is_short_password: bool
    totp_sealed: bytes | None
    totp_offered_at: datetime | None
    has_totp: bool
    client_name: str
    totp_required: bool
    idle: timedelta
    absolute: timedelta

    @property
    def needs_totp(self) -> bool:
        """Whether a password alone is not enough for this user."""
        return self.totp_required or self.is_short_password

    @property
    def owes_totp(self) -> bool:
        """Whether a session of this user may do nothing but enrol a second factor."""
        return self.needs_totp and not self.has_totp

    def password_hash(self, key: SubjectKey | None) -> str | None:
        """The stored hash, if there is one to compare with."""
        if key is None or self.password_sealed is None:
            return None
        return str(key.open(self.password_sealed, about=(PASSWORD, self.user_id))["hash"])

    def totp_secret(self, key: SubjectKey) -> str | None:
        """The secret of the second factor, confirmed or waiting for it."""
        if self.totp_sealed is None:
            return None
        return str(key.open(self.totp_sealed, about=(TOTP, self.user_id))["secret"])

    def waits_for_code(self, now: datetime) -> bool:
        """Whether a second factor was offered, not too long ago, and its first code was not shown yet."""
        if self.has_totp or self.totp_sealed is None or self.totp_offered_at is None:
            return False
        return now < self.totp_offered_at + OFFERED

    def is_over(self, begun_at: datetime, used_at: datetime, now: datetime) -> bool:
        """Whether a session with these times has reached an end that the client has set (04.1)."""
        return now >= begun_at + self.absolute or now >= used_at + self.idle

    def token_seconds(self, begun_at: datetime, now: datetime) -> int:
        """How long an access token may live: ten minutes, and no longer than its session could."""
        left = min(_LONGEST_TOKEN, self.idle, begun_at + self.absolute - now)
        return max(1, int(left.total_seconds()))


def seal_password(key: SubjectKey, user_id: UUID, password_hash: str) -> bytes:
    """The hash as it is stored."""
    return key.seal({"hash": password_hash}, about=(PASSWORD, user_id))


def seal_totp(key: SubjectKey, user_id: UUID, secret: str) -> bytes:
    """The secret as it is stored."""
    return key.seal({"secret": secret}, about=(TOTP, user_id))
