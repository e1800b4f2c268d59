"""04.2: of two revocations of one thing the newer counts, in whatever order they come; keys are of their client."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from events.revocation import Revoked, RevokedKind
from guard.revocation import Revocations

CLIENT = uuid4()
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def revoked(minute: int, **more: Any) -> Revoked:
    at = NOON + timedelta(minutes=minute)
    said: dict[str, Any] = {"kind": RevokedKind.USER, "id": "ada", "client_id": CLIENT, "at": at} | more
    return Revoked(**said, expires_at=at + timedelta(minutes=11))


@pytest.mark.parametrize("order", [(0, 5), (5, 0)])
def test_in_either_order(order: tuple[int, int]) -> None:
    nothing: Any = None
    known = Revocations(nothing, nothing, "", nothing)
    for minute in order:
        known._take(revoked(minute).payload().encode(), is_live=True)
    (stands,) = known._revoked.values()
    assert stands.at == NOON + timedelta(minutes=5)


def test_a_key_is_of_its_client_and_of_its_time() -> None:
    """Compaction keeps the last record of a key: no client's may drop another's, no late copy a newer one."""
    keys = {revoked(0).key, revoked(1).key, revoked(0, client_id=uuid4()).key, revoked(0, id="eve").key}
    assert len(keys) == 4
    assert revoked(0).key.split(":")[0] == str(CLIENT)
