"""Codes of the second factor: RFC 6238 with 30 s steps, each step once, and recovery codes (04.1). No clock, no I/O."""

import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError

ISSUER = "MyKonci"
CODES = 10
_WINDOW = 1  # steps before and after: RFC 6238, 5.2 allows one for slow typing, and clocks drift both ways
# Of base32: 140 bits. With fewer than 112, a bare hash could be guessed back (ASVS 6.5.2, 11.5.1; SP 800-63B-4,
# 3.1.2.2).
_RECOVERY_CHARACTERS = 28
_CODE = re.compile(r"[0-9]{6}")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_secret() -> str:
    """160 random bits in base32, as RFC 4226 (section 4, R6) recommends."""
    return pyotp.random_base32(32)


def address(secret: str, account: str) -> str:
    """The `otpauth://` URI that an authenticator reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, one step around `now`, or None. Whether it was used is the store's word."""
    if not _CODE.fullmatch(code):
        return None
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=now, valid_window=_WINDOW)
    except OTPVerificationError:
        return None


def new_recovery_codes() -> list[str]:
    """Ten codes like `ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23`."""
    return [_grouped("".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARACTERS))) for _ in range(CODES)]


def recovery_hash(user_id: UUID, code: str) -> bytes | None:
    """What is stored of a recovery code, as it was typed; None when it cannot be one."""
    letters = re.sub(r"[\s-]", "", code).upper()
    if len(letters) != _RECOVERY_CHARACTERS or not set(letters) <= set(_ALPHABET):
        return None
    return hashlib.sha256(user_id.bytes + letters.encode()).digest()


def _grouped(letters: str) -> str:
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))
