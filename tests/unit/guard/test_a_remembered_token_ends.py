"""04.1, invariant 11: a token whose signature was checked once is remembered, and no longer than it is good."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from guard import errors
from guard.access_token import TokenRefused
from guard.clock import Clock
from guard.identity import Identity

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
ENDS = int(START.timestamp()) + 600


class Moved(Clock):
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


class Verifier:
    """Accepts the one token until its end, as the real one does, and counts how often it was asked."""

    def __init__(self, clock: Moved) -> None:
        self._clock = clock
        self.asked = 0
        begins = int(START.timestamp())
        self.claims = {
            "iss": "us", "aud": "us", "sub": str(uuid4()), "client_id": str(uuid4()), "sid": str(uuid4()),
            "kind": "user", "label": "agent", "role": "agent", "iat": begins, "nbf": begins, "exp": ENDS, "jti": "one",
        }  # fmt: skip

    async def verify(self, token: str) -> dict[str, Any]:
        self.asked += 1
        if self._clock.now().timestamp() >= ENDS:
            raise TokenRefused
        return self.claims


class Setting:
    def __init__(self) -> None:
        self.clock = Moved()
        self.verifier = Verifier(self.clock)
        self.is_revoked = False
        verifier: Any = self.verifier
        self.identity = Identity(verifier, self._revoked, self.clock)

    async def _revoked(self, claims: Any) -> bool:
        return self.is_revoked

    async def ask(self) -> str:
        request: Any = SimpleNamespace(
            headers={"authorization": "Bearer the-token"}, scope={"state": {"ip": "", "request_id": "r"}}
        )
        return (await self.identity.caller(request)).id


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_at_its_end(setting: Setting) -> None:
    await setting.ask()
    setting.clock.at = START + timedelta(seconds=600)
    with pytest.raises(errors.Unauthenticated):
        await setting.ask()


async def test_when_it_is_revoked(setting: Setting) -> None:
    await setting.ask()
    setting.is_revoked = True
    with pytest.raises(errors.Unauthenticated):
        await setting.ask()


async def test_until_then_it_is_verified_once(setting: Setting) -> None:
    await setting.ask()
    setting.clock.at = START + timedelta(seconds=599)
    assert await setting.ask() == setting.verifier.claims["sub"]
    assert setting.verifier.asked == 1
