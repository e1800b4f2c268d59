"""Opaque secrets that name their own row: `<kind>.<client id>.<row id>.<256 bits>`, so that no look-up crosses clients.

Only the digest is ever stored; the text leaves in one answer and is never written down here.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

# 32 random bytes are 43 characters of unpadded base64url (RFC 4648, section 5).
_FORM = re.compile(r"([a-z]+)\.([0-9a-f]{32})\.([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")


class Kind(StrEnum):
    """What a secret opens. One kind is never taken for another: the kind is part of what is hashed."""

    REFRESH = "refresh"
    CHALLENGE = "challenge"
    ACTIVATION = "activation"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret as its holder shows it. Client and row are claims until `matches` has said that the rest is right."""

    client_id: UUID
    row_id: UUID
    text: str

    @classmethod
    def new(cls, kind: Kind, client_id: UUID, row_id: UUID) -> Self:
        """A fresh one for a row that is being made."""
        return cls(client_id, row_id, f"{kind}.{client_id.hex}.{row_id.hex}.{secrets.token_urlsafe(32)}")

    @classmethod
    def read(cls, kind: Kind, text: str) -> Self | None:
        """What `text` claims to be, or None when it is no secret of this kind."""
        form = _FORM.fullmatch(text)
        if form is None or form[1] != kind:
            return None
        return cls(UUID(hex=form[2]), UUID(hex=form[3]), text)

    @property
    def digest(self) -> bytes:
        """SHA-256 of all of it: a digest fits one kind, one client and one row."""
        return hashlib.sha256(self.text.encode()).digest()

    def matches(self, stored: bytes) -> bool:
        """Whether this is the secret that was given out, in constant time."""
        return hmac.compare_digest(self.digest, stored)
