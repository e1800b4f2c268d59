"""02.1: what is sealed for a row opens as that row with that key, and as nothing else; the cipher is the standard's."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard import keys
from guard.keys import NotOurs, SubjectKey
from stack.settings import REPO

VECTORS = REPO.parent / "shared" / "vectors" / "wycheproof" / "aes_gcm_test.json"
WORDS = {"name": "Aino Ødegård", "notes": "שלום 🌿", "n": 3, "none": None}
RAW = bytes(range(32))
KEY = SubjectKey(uuid4(), uuid4(), uuid4(), RAW)
PLACE = ("guest", uuid4())


class TestElsewhere:
    @pytest.mark.parametrize(
        "about", [("guest", uuid4()), ("call", PLACE[1]), ("", PLACE[1])], ids=["row", "table", "no table"]
    )
    def test_another_place(self, about: tuple[str, Any]) -> None:
        with pytest.raises(NotOurs):
            KEY.open(KEY.seal(WORDS, PLACE), about)

    @pytest.mark.parametrize(
        "key",
        [
            SubjectKey(uuid4(), KEY.subject_id, KEY.data_key_id, RAW),
            SubjectKey(KEY.client_id, KEY.subject_id, uuid4(), RAW),
            SubjectKey(KEY.client_id, KEY.subject_id, KEY.data_key_id, bytes(32)),
        ],
        ids=["client", "data key", "key"],
    )
    def test_another_key(self, key: SubjectKey) -> None:
        with pytest.raises(NotOurs):
            key.open(KEY.seal(WORDS, PLACE), PLACE)


class TestChanged:
    def test_every_byte(self) -> None:
        sealed = KEY.seal(WORDS, PLACE)
        for at in range(len(sealed)):
            changed = bytearray(sealed)
            changed[at] ^= 1
            with pytest.raises(NotOurs):
                KEY.open(bytes(changed), PLACE)

    @pytest.mark.parametrize("version", [0, 2, 255])
    def test_another_version(self, version: int) -> None:
        with pytest.raises(NotOurs):
            KEY.open(bytes([version]) + KEY.seal(WORDS, PLACE)[1:], PLACE)

    def test_every_shorter_one(self) -> None:
        sealed = KEY.seal(WORDS, PLACE)
        for length in range(len(sealed)):
            with pytest.raises(NotOurs):
                KEY.open(sealed[:length], PLACE)

    def test_a_longer_one(self) -> None:
        with pytest.raises(NotOurs):
            KEY.open(KEY.seal(WORDS, PLACE) + b"\0", PLACE)


class TestOpened:
    def test_in_its_place(self) -> None:
        assert KEY.open(KEY.seal(WORDS, PLACE), PLACE) == WORDS

    def test_nothing_of_it_can_be_read(self) -> None:
        sealed = KEY.seal(WORDS, PLACE)
        assert sealed[0] == 1
        assert b"Aino" not in sealed

    def test_no_two_are_alike(self) -> None:
        assert len({KEY.seal(WORDS, PLACE)[1:13] for _ in range(1000)}) == 1000

    def test_nothing_prints_the_key(self) -> None:
        assert repr(KEY.key) not in repr(KEY)


def vectors(path: Path = VECTORS) -> list[Any]:
    """AES-256-GCM with a 12-byte nonce and a 16-byte tag, as `keys` uses it."""
    wanted = {"keySize": 256, "ivSize": 96, "tagSize": 128}
    return [
        pytest.param(vector, id=str(vector["tcId"]))
        for group in json.loads(path.read_text())["testGroups"]
        if wanted.items() <= group.items()
        for vector in group["tests"]
    ]


def part(vector: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(vector[name])


class TestWycheproof:
    @pytest.mark.parametrize("vector", vectors())
    def test_opens_what_is_valid_and_nothing_else(self, vector: dict[str, str]) -> None:
        blob = b"\x01" + part(vector, "iv") + part(vector, "ct") + part(vector, "tag")
        if vector["result"] == "valid":
            assert keys._decrypt(AESGCM(part(vector, "key")), blob, part(vector, "aad")) == part(vector, "msg")
        else:
            with pytest.raises(NotOurs):
                keys._decrypt(AESGCM(part(vector, "key")), blob, part(vector, "aad"))

    @pytest.mark.parametrize("vector", [one for one in vectors() if one.values[0]["result"] == "valid"])
    def test_makes_the_same_bytes(self, vector: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "os", SimpleNamespace(urandom=lambda length: part(vector, "iv")[:length]))
        made = keys._encrypt(AESGCM(part(vector, "key")), part(vector, "msg"), part(vector, "aad"))
        assert made == b"\x01" + part(vector, "iv") + part(vector, "ct") + part(vector, "tag")

    def test_both_verdicts_are_among_them(self) -> None:
        verdicts = [one.values[0]["result"] for one in vectors()]
        assert verdicts.count("valid") > 30
        assert verdicts.count("invalid") > 20
