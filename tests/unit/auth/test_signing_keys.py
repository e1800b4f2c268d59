"""04.1: tokens are what others verify; a new key is known to all before it signs, and until its last token ends."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth import token
from auth.token import Signer, Version, published, signing
from guard.clock import Clock
from guard.errors import Unavailable
from guard.identity import Claims

GRACE = timedelta(seconds=120)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Keys:
    """A stand-in for OpenBao's transit engine."""

    def __init__(self, *ages: float) -> None:
        self.is_away = False
        self.asked = 0
        now = datetime.now(UTC)
        self.keys = {
            number: (Ed25519PrivateKey.generate(), now - timedelta(seconds=age)) for number, age in enumerate(ages, 1)
        }

    async def sign(self, key: str, message: bytes, version: int) -> bytes:
        if self.is_away:
            raise Unavailable
        return self.keys[version][0].sign(message)

    async def public_keys(self, key: str) -> dict[int, tuple[bytes, datetime]]:
        self.asked += 1
        if self.is_away:
            raise Unavailable
        return {number: (made.public_key().public_bytes_raw(), at) for number, (made, at) in self.keys.items()}


def signer(keys: Keys) -> Signer:
    return Signer(keys, Clock(), issuer="https://issuer", audience="konci", grace=120)


def read(text: str) -> tuple[dict, dict]:
    header, payload, _ = (base64.urlsafe_b64decode(part + "==") for part in text.split("."))
    return json.loads(header), json.loads(payload)


def version(number: int, age: float) -> Version:
    return Version(number, bytes([number]) * 32, NOW - timedelta(seconds=age))


def test_a_new_version_does_not_sign_yet() -> None:
    assert signing([version(1, 9999), version(2, 119)], NOW, GRACE).number == 1


def test_a_new_version_is_published_at_once() -> None:
    assert [v.number for v in published([version(1, 9999), version(2, 1)], NOW, GRACE)] == [2, 1]


def test_it_signs_after_the_grace() -> None:
    assert signing([version(1, 9999), version(2, 120)], NOW, GRACE).number == 2


@pytest.mark.parametrize(("age", "numbers"), [(120 + 659, [2, 1]), (120 + 660, [2])])
def test_an_old_version_is_published_until_its_last_token_ends(age: float, numbers: list[int]) -> None:
    assert [v.number for v in published([version(1, 9999), version(2, age)], NOW, GRACE)] == numbers


def test_the_first_version_signs_at_once() -> None:
    assert signing([version(1, 0)], NOW, GRACE).number == 1


def test_a_key_made_anew_under_an_old_number_has_another_kid() -> None:
    assert version(1, 0).kid != Version(1, b"x" * 32, NOW).kid


async def test_no_token_while_openbao_is_away() -> None:
    keys = Keys(9999)
    keys.is_away = True
    with pytest.raises(Unavailable):
        await signer(keys).mint(uuid4(), {}, 600)


async def test_no_token_lives_longer_than_ten_minutes() -> None:
    _, said = read(await signer(Keys(9999)).mint(uuid4(), {}, 86400))
    assert said["exp"] - said["iat"] == 600


async def test_no_claim_of_a_caller_replaces_one_of_ours() -> None:
    client = uuid4()
    asked = {"iss": "https://evil", "aud": "other", "client_id": str(uuid4()), "exp": 2**40}
    _, said = read(await signer(Keys(9999)).mint(client, asked, 60))
    assert (said["iss"], said["aud"], said["client_id"]) == ("https://issuer", "konci", str(client))
    assert said["exp"] - said["iat"] == 60


async def test_a_token_is_what_the_services_read() -> None:
    keys = Keys(9999)
    made = signer(keys)
    said = {"sub": str(uuid4()), "sid": str(uuid4()), "kind": "user", "role": "agent", "label": "agent 1"}
    text = await made.mint(uuid4(), {**said, "session_ends": 1_790_000_000}, 600)
    header, payload = read(text)
    (published_key,) = (await made.key_set())["keys"]
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": published_key["kid"]}
    assert published_key | {"kid": "", "x": ""} == {
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "", "x": ""
    }  # fmt: skip
    assert "d" not in published_key
    message, signature = text.rsplit(".", 1)
    keys.keys[1][0].public_key().verify(base64.urlsafe_b64decode(signature + "=="), message.encode())
    assert Claims.model_validate(payload).role == "agent"


async def test_the_key_set_is_not_asked_for_each_time() -> None:
    keys = Keys(9999)
    made = signer(keys)
    await asyncio.gather(*(made.key_set() for _ in range(20)))
    assert keys.asked == 1


async def test_the_key_set_outlives_a_short_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(9999)
    made = signer(keys)
    known = await made.key_set()
    keys.is_away = True
    monkeypatch.setattr(token, "_REFRESH", 0.0)
    assert await made.key_set() == known
    monkeypatch.setattr(token, "_STALE", 0.0)
    with pytest.raises(Unavailable):
        await made.key_set()
