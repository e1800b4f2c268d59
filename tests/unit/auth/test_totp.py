"""04.1: one-time codes are those of RFC 6238, one step around now; recovery codes survive careless typing."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyotp
import pytest

from auth import totp

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B: "12345678901234567890"
NOW = datetime(2026, 11, 24, 12, 0, 15, tzinfo=UTC)


def code_at(moment: datetime) -> str:
    return pyotp.TOTP(SECRET).at(moment)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "\u0661\u0662\u0663\u0664\u0665\u0666", " 123456"])
def test_no_code(code: str) -> None:
    assert totp.step_of(SECRET, code, NOW) is None


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_another_time(steps: int) -> None:
    assert totp.step_of(SECRET, code_at(NOW + timedelta(seconds=30 * steps)), NOW) is None


def test_another_secret() -> None:
    assert totp.step_of(totp.new_secret(), code_at(NOW), NOW) is None


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_around_now(steps: int) -> None:
    expected = int(NOW.timestamp()) // 30 + steps
    assert totp.step_of(SECRET, code_at(NOW + timedelta(seconds=30 * steps)), NOW) == expected


# The last six digits of appendix B's eight, SHA-1.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_rfcs_own_table(seconds: int, code: str) -> None:
    assert totp.step_of(SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


def test_a_secret_is_new_and_long() -> None:
    one, other = totp.new_secret(), totp.new_secret()
    assert one != other
    assert len(pyotp.TOTP(one).byte_secret()) == 20


def test_the_uri_names_account_and_issuer() -> None:
    assert totp.address(SECRET, "ada@example.com") == (
        f"otpauth://totp/MyKonci:ada%40example.com?secret={SECRET}&issuer=MyKonci"
    )


@pytest.mark.parametrize("code", ["", "ABCD", "ABCD-EFGH-IJKL-MNO1", "ABCD-EFGH-IJKL-MNOP", "é" * 28])
def test_no_recovery_code(code: str) -> None:
    assert totp.recovery_hash(uuid4(), code) is None


def test_a_recovery_code_is_its_users_only() -> None:
    code = totp.new_recovery_codes()[0]
    assert totp.recovery_hash(uuid4(), code) != totp.recovery_hash(uuid4(), code)


def test_recovery_codes() -> None:
    codes = totp.new_recovery_codes()
    user = uuid4()
    # A bare hash is enough from 112 bits upwards (SP 800-63B-4, 3.1.2.2), and ASVS 11.5.1 asks for 128; a character of
    # base32 has five.
    assert all(len(code.replace("-", "")) * 5 >= 128 for code in codes)
    many = [code for _ in range(20) for code in totp.new_recovery_codes()]  # in ten alone a letter is missing, rarely
    assert len({letter for code in many for letter in code}) == 33
    assert len({totp.recovery_hash(user, code) for code in codes}) == 10
    assert None not in {totp.recovery_hash(user, code) for code in codes}
    typed = codes[0].lower().replace("-", " ")
    assert totp.recovery_hash(user, typed) == totp.recovery_hash(user, codes[0])
