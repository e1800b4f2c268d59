"""04.1: a token is good when `auth` signed it for us and its time has come and not gone; nothing in it chooses how."""

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guard import access_token, errors
from guard.access_token import TokenRefused, TokenVerifier

NOW = 1_795_493_882
KEY, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
CLAIMS = {"iss": "https://localhost:8443", "aud": "konci", "iat": NOW, "nbf": NOW, "exp": NOW + 600}
ABSENT = object()


class Auth:
    """The key set of `auth`, and how often it was asked for it."""

    def __init__(self) -> None:
        self.keys = {"k1": KEY}
        self.asked = 0
        self.answer: httpx2.Response | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == "https://auth.test/.well-known/jwks.json"
        self.asked += 1
        return self.answer or httpx2.Response(200, json={"keys": [jwk(kid, key) for kid, key in self.keys.items()]})


class Monotonic:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


def jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, str]:
    x = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": text(x)}


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def changed(fields: dict[str, Any], changes: dict[str, Any]) -> str:
    left = {name: value for name, value in {**fields, **changes}.items() if value is not ABSENT}
    return text(json.dumps(left).encode())


def signed(head: str, body: str, key: Ed25519PrivateKey = KEY) -> str:
    return f"{head}.{body}.{text(key.sign(f'{head}.{body}'.encode()))}"


def token(*, header: dict[str, Any] | None = None, key: Ed25519PrivateKey = KEY, **claims: Any) -> str:
    return signed(changed(HEADER, header or {}), changed(CLAIMS, claims), key)


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    made = Monotonic()
    monkeypatch.setattr(access_token, "time", made)
    return made


@pytest.fixture
def verifier(auth: Auth, clock: Monotonic) -> TokenVerifier:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(auth))
    at = SimpleNamespace(now=lambda: datetime.fromtimestamp(NOW, UTC))
    return TokenVerifier(http, "https://auth.test", issuer=CLAIMS["iss"], audience=CLAIMS["aud"], clock=at)


async def assert_refused(verifier: TokenVerifier, made: str) -> None:
    with pytest.raises(TokenRefused):
        await verifier.verify(made)


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none"}, {"alg": "None"}, {"alg": "HS256"}, {"alg": "ES256"}, {"alg": "Ed25519"}, {"alg": ABSENT},
            {"alg": ["EdDSA"]}, {"typ": "JWT"}, {"typ": "AT+JWT"}, {"typ": "application/at+jwt"}, {"typ": ABSENT},
            {"kid": "k2"}, {"kid": ""}, {"kid": 1}, {"kid": None}, {"kid": ["k1"]}, {"kid": ABSENT},
            {"jwk": jwk("k1", STRANGER)}, {"jku": "https://auth.test/.well-known/jwks.json"}, {"x5u": "https://a.test"},
            {"x5c": []}, {"crit": ["exp"]}, {"b64": False}, {"cty": "JWT"}, {"zip": "DEF"}, {"enc": "A256GCM"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_that_says_anything_else(self, verifier: TokenVerifier, header: dict[str, Any]) -> None:
        await assert_refused(verifier, token(header=header))

    @pytest.mark.parametrize("head", [b"", b"{", b"[]", b"null", b'"EdDSA"', b"[" * 100_000, b"\xff", b"1" * 5000])
    async def test_that_is_none(self, verifier: TokenVerifier, head: bytes) -> None:
        await assert_refused(verifier, signed(text(head), changed(CLAIMS, {})))

    async def test_unsigned(self, verifier: TokenVerifier) -> None:
        await assert_refused(verifier, token(header={"alg": "none"}).rsplit(".", 1)[0] + ".")
        await assert_refused(verifier, token().rsplit(".", 1)[0] + ".")


class TestSignature:
    async def test_of_a_stranger(self, verifier: TokenVerifier) -> None:
        await assert_refused(verifier, token(key=STRANGER))

    async def test_of_one_for_another(self, verifier: TokenVerifier) -> None:
        head, _, signature = token().split(".")
        await assert_refused(verifier, ".".join([head, changed(CLAIMS, {"sub": "other"}), signature]))

    @pytest.mark.parametrize("which", [0, 1, 2], ids=["header", "claims", "signature"])
    async def test_every_changed_byte(self, verifier: TokenVerifier, which: int) -> None:
        parts = token().split(".")
        raw = base64.urlsafe_b64decode(parts[which] + "=" * (-len(parts[which]) % 4))
        for at in range(len(raw)):
            other = bytearray(raw)
            other[at] ^= 1
            await assert_refused(verifier, ".".join([*parts[:which], text(bytes(other)), *parts[which + 1 :]]))

    @pytest.mark.parametrize("made", ["", ".", "..", "...", "a.b", "ü.ü.ü", "a.b.c.d.e", "\0", "é" * 3, "\ud800"])
    async def test_of_nothing(self, verifier: TokenVerifier, made: str) -> None:
        await assert_refused(verifier, made)

    @pytest.mark.parametrize("extra", [".", ".a", " ", "\n", "=", "A"])
    async def test_with_more_behind_it(self, verifier: TokenVerifier, extra: str) -> None:
        await assert_refused(verifier, token() + extra)


class TestClaims:
    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://localhost:8444"}, {"iss": "https://localhost:8443/"}, {"iss": ABSENT}, {"iss": None},
            {"aud": "other"}, {"aud": ["konci"]}, {"aud": ABSENT}, {"aud": ""},
            {"iat": ABSENT}, {"nbf": ABSENT}, {"exp": ABSENT}, {"exp": None}, {"exp": str(NOW + 60)},
            {"iat": True}, {"nbf": False}, {"exp": True}, {"iat": float(NOW)}, {"nbf": float(NOW)},
            {"exp": NOW + 60.5}, {"exp": float("inf")}, {"exp": float("nan")}, {"nbf": float("-inf")},
            {"iat": NOW + 2}, {"nbf": NOW + 2}, {"exp": NOW}, {"exp": NOW - 1}, {"exp": NOW + 601},
            {"iat": NOW - 600, "exp": NOW + 1}, {"iat": 0, "exp": NOW + 60}, {"iat": NOW + 1, "exp": NOW + 602},
        ],
        ids=str,
    )  # fmt: skip
    async def test_that_are_not_for_us_or_now(self, verifier: TokenVerifier, claims: dict[str, Any]) -> None:
        await assert_refused(verifier, token(**claims))

    @pytest.mark.parametrize(
        "body", [b"[]", b"null", b"1", b'"iss"', b"{", b"", b"\xff", b'{"exp": ' + b"9" * 5000 + b"}"]
    )
    async def test_that_are_none(self, verifier: TokenVerifier, body: bytes) -> None:
        await assert_refused(verifier, signed(changed(HEADER, {}), text(body)))


class TestGood:
    @pytest.mark.parametrize(
        "claims",
        [
            {}, {"exp": NOW + 1}, {"iat": NOW - 599, "nbf": NOW - 599, "exp": NOW + 1},
            {"iat": NOW + 1, "nbf": NOW + 1, "exp": NOW + 601},
        ],
        ids=str,
    )  # fmt: skip
    async def test_to_the_second(self, verifier: TokenVerifier, claims: dict[str, Any]) -> None:
        assert await verifier.verify(token(**claims)) == {**CLAIMS, **claims}


class TestKeySet:
    async def test_is_asked_for_once(self, verifier: TokenVerifier, auth: Auth) -> None:
        for _ in range(5):
            await verifier.verify(token())
        assert auth.asked == 1

    async def test_forged_kids_do_not_flood_auth(self, verifier: TokenVerifier, auth: Auth) -> None:
        for number in range(50):
            await assert_refused(verifier, token(header={"kid": f"forged-{number}"}))
        assert auth.asked == 1

    async def test_a_new_key_is_known_within_a_second(
        self, verifier: TokenVerifier, auth: Auth, clock: Monotonic
    ) -> None:
        await verifier.verify(token())
        auth.keys["k2"] = STRANGER
        clock.at += 1.1
        assert await verifier.verify(token(header={"kid": "k2"}, key=STRANGER))

    async def test_a_withdrawn_key_ends_within_five_minutes(
        self, verifier: TokenVerifier, auth: Auth, clock: Monotonic
    ) -> None:
        await verifier.verify(token())
        auth.keys = {"k2": STRANGER}
        clock.at += 300.1
        await assert_refused(verifier, token())

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(503),
            *(
                httpx2.Response(200, text=said)
                for said in ("", "{", "{}", "[]", "null", '{"keys": 1}', '{"keys": [1]}')
            ),
        ],
        ids=lambda answer: answer.text or str(answer.status_code),
    )
    async def test_away_is_unavailable_and_never_a_yes(
        self, verifier: TokenVerifier, auth: Auth, answer: httpx2.Response
    ) -> None:
        auth.answer = answer
        with pytest.raises(errors.Unavailable):
            await verifier.verify(token())

    async def test_away_does_not_hurt_who_is_known(self, verifier: TokenVerifier, auth: Auth, clock: Monotonic) -> None:
        await verifier.verify(token())
        auth.answer = httpx2.Response(503)
        clock.at += 300.1
        assert await verifier.verify(token())

    async def test_only_ed25519_keys_count(self, verifier: TokenVerifier, auth: Auth) -> None:
        secret = {"kty": "oct", "kid": "k2", "k": text(b"s" * 32)}
        auth.answer = httpx2.Response(200, json={"keys": [secret, jwk("k1", KEY)]})
        await verifier.verify(token())
        await assert_refused(verifier, token(header={"kid": "k2"}))
