"""04.1: sessions end when their client says; who must have a second factor and has none owes it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from auth import account, session
from auth.account import Account

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

ADA = Account(
    user_id=uuid4(),
    email_index=b"e" * 32,
    sealed=b"",
    role="agent",
    status="active",
    version=1,
    created_at=NOW,
    password_sealed=b"p",
    is_short_password=False,
    totp_sealed=None,
    totp_offered_at=None,
    has_totp=False,
    client_name="Otter House",
    totp_required=False,
    idle=HOUR,
    absolute=DAY,
)


@pytest.mark.parametrize(
    ("begun", "used"), [(DAY, timedelta(0)), (DAY + HOUR, timedelta(0)), (HOUR, HOUR), (2 * HOUR, HOUR)]
)
def test_over(begun: timedelta, used: timedelta) -> None:
    assert ADA.is_over(NOW - begun, NOW - used, NOW)


def test_not_over() -> None:
    second = timedelta(seconds=1)
    assert not ADA.is_over(NOW - DAY + second, NOW - HOUR + second, NOW)


@pytest.mark.parametrize(
    ("idle", "left", "seconds"),
    [(HOUR, HOUR, 600), (timedelta(minutes=5), HOUR, 300), (HOUR, timedelta(seconds=42), 42)],
)
def test_no_token_outlives_its_session(idle: timedelta, left: timedelta, seconds: int) -> None:
    assert replace(ADA, idle=idle).token_seconds(NOW - DAY + left, NOW) == seconds


@pytest.mark.parametrize("why", [{"totp_required": True}, {"is_short_password": True}])
def test_owes_a_second_factor(why: dict[str, bool]) -> None:
    account = replace(ADA, **why)
    assert account.owes_totp
    assert session.claims(account, uuid4(), NOW, "agent 1")["owes_totp"] is True


@pytest.mark.parametrize("account", [ADA, replace(ADA, totp_required=True, has_totp=True)], ids=["need not", "has one"])
def test_owes_nothing(account: Account) -> None:
    assert not account.owes_totp
    assert "owes_totp" not in session.claims(account, uuid4(), NOW, "agent 1")


def test_a_token_names_nobody() -> None:
    assert set(session.claims(ADA, uuid4(), NOW, "agent 1")) == {
        "sub", "sid", "session_ends", "kind", "role", "label"
    }  # fmt: skip


def test_a_token_tells_when_its_session_ends() -> None:
    """What outlives the token ends there: a running play, an upload, an export."""
    assert session.claims(ADA, uuid4(), NOW, "agent 1")["session_ends"] == (NOW + DAY).timestamp()


OFFERED = replace(ADA, totp_sealed=b"t", totp_offered_at=NOW)


@pytest.mark.parametrize(
    ("ada", "later"),
    [
        (ADA, timedelta(0)),
        (OFFERED, account.OFFERED),
        (replace(OFFERED, has_totp=True), timedelta(0)),
        (replace(OFFERED, totp_offered_at=None), timedelta(0)),
    ],
)
def test_no_code_is_waited_for(ada: Account, later: timedelta) -> None:
    assert not ada.waits_for_code(NOW + later)


def test_the_first_code_is_waited_for() -> None:
    assert OFFERED.waits_for_code(NOW + account.OFFERED - timedelta(seconds=1))
