"""What a process holds by grace of OpenBao turns together, long before the shortest of it ends (02.3, invariant 9).

Certificate, then token, then database users, then the connections made with the old ones. Renewal never gives up: a
loop that ended quietly would be an outage hours later.
"""

import asyncio
import logging
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from guard import errors, telemetry
from guard.database import Pool
from guard.tls import Certificate

if TYPE_CHECKING:
    from guard.vault import Vault

_log = logging.getLogger("guard.renewal")
_EARLIEST, _LATEST = 1 / 3, 1 / 2  # of the shortest life; in between by chance, so that copies do not turn in step
_LOOK = 0.5  # seconds between two looks at what is due
_RETRY, _RETRY_MOST = 0.25, 2.0  # seconds between two attempts of a turn that fails


class Renewal:
    """The turns of one session. `pools` replace their connections after each."""

    def __init__(self, vault: "Vault", service: str, certificate: Certificate) -> None:
        self._vault = vault
        self._service = service
        self._certificate = certificate
        self._share = self._draw()
        self._is_wanted = False
        self._certified_at = float("-inf")  # monotonic; when this process last asked for a certificate
        self.pools: list[Pool] = []

    def hurry(self) -> None:
        """Asks for a turn now: something that is held has ended before its time."""
        self._is_wanted = True

    async def run(self) -> None:
        """Turns when due, until cancelled; OpenBao, the database or the disk away is waited for."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                telemetry.certificate_ends.labels(self._service).set(self._certificate.validity()[1].timestamp())
                is_due = self._is_wanted or self.due_in() <= 0
            except (OSError, ValueError) as failed:
                _log.warning("certificate not readable", extra={"error": type(failed).__name__})
                continue
            if is_due:
                self._is_wanted = False
                await self._turn_until_done()

    def due_in(self) -> float:
        """Seconds until the next turn: a third to a half of the shortest life that is held. Negative when overdue."""
        users = [self._due(user.made_at, user.ends_at) for user in self._vault.users()]
        return min([self._certificate_due(), self._token_due(), *users])

    def _certificate_due(self) -> float:
        begins, ends = self._certificate.validity()
        return (begins - datetime.now(UTC)).total_seconds() + (ends - begins).total_seconds() * self._share

    def _token_due(self) -> float:
        token = self._vault.token
        return self._due(token.made_at, token.ends_at) if token.value else float("inf")

    def _due(self, made_at: float, ends_at: float) -> float:
        return made_at + (ends_at - made_at) * self._share - time.monotonic()

    async def turn(self, since: float | None = None) -> None:
        """Renews all that is older than `since` (monotonic; default: everything).

        Raises Unavailable, OSError (full disk). Called again with the same `since` it goes on where it failed, but for
        what is due once more: a database that is away for long must not cost the certificate.
        """
        since = time.monotonic() if since is None else since
        if self._certified_at < since or self._certificate_due() <= 0:
            self._certificate.replace(await self._vault.issue_certificate(self._certificate.names()))
            self._certified_at = time.monotonic()
        if self._vault.token.made_at < since or self._token_due() <= 0:
            # The old token ends by itself, and its database users with it, when their connections have long gone.
            await self._vault.sign_in(self._vault.token)
        await self._vault.renew_users(since)
        await self._vault.reopen()
        for pool in self.pools:
            await pool.expire()
        self._share = self._draw()
        telemetry.vault_turns.labels(self._service).inc()

    async def _turn_until_done(self) -> None:
        since, pause = time.monotonic(), _RETRY
        while True:
            try:
                await self.turn(since)
            except Exception as failed:  # noqa: BLE001 - whatever it is, the next attempt may pass and nobody else tries
                if not isinstance(failed, errors.Unavailable):  # that one was said where it was raised
                    _log.warning("renewal failed", extra={"error": type(failed).__name__}, exc_info=failed)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _RETRY_MOST)

    @staticmethod
    def _draw() -> float:
        return _EARLIEST + (_LATEST - _EARLIEST) * secrets.randbelow(1000) / 1000
