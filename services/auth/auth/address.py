"""E-mail addresses: their one spelling, and the keyed hash under which one is looked up on the whole platform."""

import hmac
import re
import unicodedata

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LONGEST = 254  # characters (RFC 5321, 4.5.3.1.3, less the angle brackets)
# One `@`, something before it, a dot behind it: the rest is the mail server's to judge.
_FORM = re.compile(
    r"[^\s@\"(),:;<>\[\\\]\x00-\x20\x7f]{1,64}@[^\s@\"(),:;<>\[\\\]\x00-\x20\x7f.]+(\.[^\s@\"(),:;<>\[\\\]\x00-\x20\x7f.]+)+"
)


def normalise(email: str) -> str:
    """NFKC, casefolded, trimmed: how two spellings of one address are told to be one."""
    return unicodedata.normalize("NFKC", email).casefold().strip()


def is_address(email: str) -> bool:
    """Whether mail could be sent there, by its form."""
    return len(email) <= LONGEST and _FORM.fullmatch(email) is not None


class AddressBook:
    """The platform-wide keys of `auth`, from one secret in OpenBao: of e-mail indexes, and of throttle rows."""

    def __init__(self, key: bytes) -> None:
        """`key` is the 32 bytes of `kv/auth/email-index`."""
        self._emails = _derived(key, b"email-index")
        self.throttle_key = _derived(key, b"throttle")

    def index(self, email: str) -> bytes:
        """32 bytes, HMAC-SHA256 of the normalised address."""
        return hmac.digest(self._emails, normalise(email).encode(), "sha256")


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"konci/auth/" + purpose).derive(key)
