"""Which tokens are refused before they expire: from `auth.revocations`, asked of `auth` when that is silent (04.1).

A process that can learn neither way answers 503: an unknown token is never taken for a good one (invariant 11).
"""

import asyncio
import logging
import time
from datetime import datetime
from typing import Literal
from uuid import UUID

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from events.revocation import Revoked, RevokedKind, revocation_of
from guard import errors, kafka
from guard.clock import Clock
from guard.identity import Caller, Claims
from guard.kafka import Kafka
from guard.patience import within

_log = logging.getLogger("guard.revocation")
_TOPIC = TopicPartition("auth.revocations", 0)
_SILENCE = 5.0  # seconds without a heartbeat until `auth` is asked for every token
_REBUILD = 10.0  # seconds without a heartbeat until the reader is replaced


class Revocations:
    """What is revoked, as this process knows it."""

    def __init__(self, kafka: Kafka, http: httpx2.AsyncClient, auth: str, clock: Clock) -> None:
        self._kafka = kafka
        self._http = http
        self._address = f"{auth}/internal/tokens/check"
        self._clock = clock
        self._revoked: dict[tuple[UUID, RevokedKind, str], Revoked] = {}
        self._heard_at = float("-inf")
        self.is_complete = False

    @property
    def is_fresh(self) -> bool:
        """Whether the topic was read to its end and its heartbeat is younger than 5 s."""
        return self.is_complete and time.monotonic() - self._heard_at < _SILENCE

    async def is_revoked(self, claims: Claims) -> bool:
        """Whether a token with these claims must be refused. Raises Unavailable when nobody can say."""
        if self._knows(claims):
            return True
        if self.is_fresh:
            return False
        return not await self._ask(claims)

    async def is_over(self, caller: Caller) -> bool:
        """Whether what `caller` came in with was revoked since, or has ended: for work that outlives its token, but not
        its session. Who has none, as an operator, has the token alone. Raises Unavailable when nobody can say.
        """
        # Nobody tells of an end that was set from the beginning.
        if caller.ends_at is not None and self._clock.now().timestamp() >= caller.ends_at:
            return True
        at = caller.issued_at
        kind: Literal["user", "operator"] = "operator" if caller.kind == "operator" else "user"
        return await self.is_revoked(
            Claims(
                iss="", aud="", jti="", label=caller.label, iat=at, nbf=at, exp=at,
                sub=caller.id, client_id=caller.client_id, sid=caller.session_id, kind=kind,
            )
        )  # fmt: skip

    def _knows(self, claims: Claims) -> bool:
        kind = RevokedKind.OPERATOR if claims.kind == "operator" else RevokedKind.USER
        asked = [(claims.client_id, kind, claims.sub), (claims.client_id, RevokedKind.CLIENT, str(claims.client_id))]
        if claims.kind == "operator":
            asked.append((UUID(int=0), kind, claims.sub))  # an operator is of the platform, not of one client
        if claims.sid is not None:
            asked.append((claims.client_id, RevokedKind.SESSION, str(claims.sid)))
        return any(self._ends(claims.iat, self._revoked.get(key)) for key in asked)

    @staticmethod
    def _ends(issued_at: int, revoked: Revoked | None) -> bool:
        if revoked is None:
            return False
        # A session that ended stays ended; of a user, only what was issued before.
        return revoked.kind is RevokedKind.SESSION or issued_at <= revoked.at.timestamp()

    async def _ask(self, claims: Claims) -> bool:
        question = {
            "client_id": str(claims.client_id),
            "session_id": str(claims.sid) if claims.sid else None,
            "user_id": claims.sub,
            "kind": claims.kind,
            "issued_at": claims.iat,
        }
        try:
            answer = await self._http.post(self._address, json=question, timeout=2.0)
            answer.raise_for_status()
            return answer.json()["active"] is True
        except (httpx2.HTTPError, ValueError, KeyError) as failed:
            raise errors.Unavailable from failed

    async def run(self) -> None:
        """Follows the topic until cancelled; Kafka away is waited for."""
        while True:
            reader = self._kafka.reader()
            try:
                await within(15, reader.start())
                await self._follow(reader)
            except (KafkaError, OSError, TimeoutError) as failed:
                _log.warning("revocations not readable", extra={"error": type(failed).__name__})
                await asyncio.sleep(0.5)
            finally:
                await kafka.stop(reader)

    async def _follow(self, reader: AIOKafkaConsumer) -> None:
        reader.assign([_TOPIC])
        await reader.seek_to_beginning(_TOPIC)
        end = (await within(5, reader.end_offsets([_TOPIC])))[_TOPIC]
        is_caught_up = end == 0
        began_at = time.monotonic()
        while time.monotonic() - max(self._heard_at, began_at) < _REBUILD:
            fetched = await within(15, reader.getmany(_TOPIC, timeout_ms=500))
            for record in fetched.get(_TOPIC, []):
                self._take(record.value, is_live=is_caught_up)
                is_caught_up = is_caught_up or record.offset >= end - 1
            # Compaction and markers leave gaps: the position tells the end, not the last record.
            is_caught_up = is_caught_up or await within(5, reader.position(_TOPIC)) >= end
            self.is_complete = self.is_complete or is_caught_up

    def _take(self, payload: bytes, *, is_live: bool) -> None:
        try:
            said = revocation_of(payload)
        except ValidationError:
            # Only `auth` can write here. What it says and we cannot read may be a revocation: ask for every token.
            _log.exception("unreadable revocation")
            self._heard_at = float("-inf")
            return
        if isinstance(said, Revoked):
            key = (said.client_id, said.kind, said.id)
            known = self._revoked.get(key)
            # The outbox may send an older one again after a newer one was announced.
            if known is None or known.at <= said.at:
                self._revoked[key] = said
        elif is_live:
            self._heard_at = time.monotonic()
            self._forget(self._clock.now())

    def _forget(self, now: datetime) -> None:
        for key in [key for key, revoked in self._revoked.items() if revoked.expires_at < now]:
            del self._revoked[key]
