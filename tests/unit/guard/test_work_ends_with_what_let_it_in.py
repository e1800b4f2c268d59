"""04.1, invariant 11: work that outlives its token ends when its session does, though nobody tells of that end."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from guard.clock import Clock
from guard.identity import Caller, Identity
from guard.revocation import Revocations

BEGINS = datetime(2026, 11, 1, 12, tzinfo=UTC)
SESSION = timedelta(hours=2)
TOKEN = timedelta(minutes=10)
OPERATOR = {"kind": "operator", "sub": "alice", "rights": ["recording:play"], "reason": "a ticket"}


class Moved(Clock):
    def __init__(self) -> None:
        self.at = BEGINS

    def now(self) -> datetime:
        return self.at


class Setting:
    """A process that hears of every revocation, and of which there is none."""

    def __init__(self) -> None:
        self.clock = Moved()
        nothing: Any = None
        self.revocations = Revocations(nothing, nothing, "", self.clock)
        self.revocations.is_complete = True

    async def caller(self, **said: Any) -> Caller:
        """Whoever comes in now, with these claims."""
        now = int(self.clock.at.timestamp())
        claims = {
            "iss": "us", "aud": "us", "sub": str(uuid4()), "client_id": str(uuid4()), "kind": "user", "label": "agent",
            "iat": now, "nbf": now, "exp": now + int(TOKEN.total_seconds()), "jti": "one", **said,
        }  # fmt: skip

        async def verify(_: str) -> dict[str, Any]:
            return claims

        verifier: Any = SimpleNamespace(verify=verify)
        request: Any = SimpleNamespace(
            headers={"authorization": "Bearer the-token"}, scope={"state": {"ip": "", "request_id": "r"}}
        )
        return await Identity(verifier, self.revocations.is_revoked, self.clock).caller(request)

    async def is_over(self, caller: Caller, after: timedelta) -> bool:
        self.clock.at = BEGINS + after
        self.revocations._heard_at = time.monotonic()
        return await self.revocations.is_over(caller)


@pytest.fixture
def setting() -> Setting:
    made = Setting()
    made.revocations._heard_at = time.monotonic()
    return made


@pytest.mark.parametrize("said", [OPERATOR, {"role": "agent"}], ids=["operator", "without a session"])
async def test_without_a_session_it_ends_with_its_token(setting: Setting, said: dict[str, Any]) -> None:
    caller = await setting.caller(**said)
    assert not await setting.is_over(caller, TOKEN - timedelta(seconds=1))
    assert await setting.is_over(caller, TOKEN)
    assert await setting.is_over(caller, TOKEN + timedelta(hours=3))


async def test_a_users_ends_with_the_session_and_not_with_the_token(setting: Setting) -> None:
    ends = int((BEGINS + SESSION).timestamp())
    caller = await setting.caller(sid=str(uuid4()), role="agent", session_ends=ends)
    assert not await setting.is_over(caller, SESSION - timedelta(seconds=1))
    assert await setting.is_over(caller, SESSION)


async def test_a_token_that_does_not_say_when_its_session_ends(setting: Setting) -> None:
    """Of an `auth` that is older than the service."""
    caller = await setting.caller(sid=str(uuid4()), role="agent")
    assert not await setting.is_over(caller, timedelta(hours=3))
