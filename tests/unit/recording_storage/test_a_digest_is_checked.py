"""02.1: the digest that a sender announces is its body's, or nothing is stored; what cannot be checked is refused."""

import base64
import hashlib

import pytest

from guard import errors
from recording_storage import content_digest

BODY = b"RIFF and so on"
DIGEST = hashlib.sha256(BODY).digest()
TEXT = base64.b64encode(DIGEST).decode()


@pytest.mark.parametrize(
    "field",
    [
        "",
        TEXT,
        f"sha-256={TEXT}",
        f'sha-256="{TEXT}"',
        f"sha-512=:{TEXT}:",
        f"sha-256=:{TEXT}:, sha-256=:{TEXT}:",
        f"sha-256=:{TEXT}:, nonsense",
        f"sha-256=:{TEXT[:20]}:",
        f"sha-256=:{TEXT}{TEXT}:",
        f"sha-256=:{'=' * 44}:",
        *[f"sha-256=:{'A' * length}:" for length in (0, 1, 2, 3, 4, 5, 41, 42, 44, 45, 125, 128)],
        "sha-256=:A==:",
        f"sha-256=:{TEXT}:;a=1",
        f"SHA-256=:{TEXT}:",
        f"sha-256=:{TEXT}:" + ", a=:aa:" * 1000,
    ],
)
def test_what_cannot_be_checked(field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        content_digest.announced(field)
    assert refused.value.errors[0][0] == "/Content-Digest"


@pytest.mark.parametrize("field", [f"sha-256=:{TEXT}:", f" sha-256=:{TEXT}: ", f"md5=:aaaa:,sha-256=:{TEXT}:"])
def test_the_bytes_of_a_sha256(field: str) -> None:
    assert content_digest.announced(field) == DIGEST


def test_without_the_header() -> None:
    assert content_digest.announced(None) is None
    content_digest.require(None, DIGEST)


def test_another_body() -> None:
    with pytest.raises(errors.Invalid):
        content_digest.require(DIGEST, hashlib.sha256(b"another").digest())
    content_digest.require(DIGEST, DIGEST)
