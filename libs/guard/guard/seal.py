"""The tenant seal: a MAC that lets a database backend believe which client a transaction is for (03.2, invariant 3).

It must never be made for a client that did not come out of a verified token, certificate or event.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from uuid import UUID

LIFETIME = 5  # seconds, against its transaction's start; no longer, since a known one could be replayed on its backend


@dataclass(frozen=True, slots=True, repr=False)
class SealKey:
    """The MAC key `kid` (0-9) of one service, 32 bytes, from Vault `kv/<service>/seal`."""

    kid: int
    key: bytes

    def seal(self, client_id: UUID, backend_pid: int, *, lifetime: int = LIFETIME) -> str:
        """The 114 characters `<client>.<expiry>.<kid>.<hex MAC>` that `guard.client_id()` checks.

        The backend's pid is in the MAC and not in the text: a seal copied from another connection is refused.
        """
        head = f"{client_id}.{int(time.time()) + lifetime:010d}.{self.kid}."
        mac = hmac.new(self.key, f"{head}{backend_pid}".encode(), hashlib.sha256)
        return head + mac.hexdigest()

    def pads(self) -> tuple[bytes, bytes]:
        """HMAC's two padded key blocks (RFC 2104), 64 bytes each, as `guard.seal_key` stores them."""
        block = self.key.ljust(64, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)
