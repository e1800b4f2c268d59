"""02.1: a segment opens as its place in its recording with its key, and as nothing else; the format is the page's."""

import hashlib
import json
import random
import zlib
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from recording_storage import segment
from recording_storage.segment import SEGMENT, Damaged, Sealer, count, new_key, sealed_length
from support.stranger import context, message, recording
from support.tree import REPO

FILE = REPO.parent / "shared" / "vectors" / "wycheproof" / "c2sp_chunked_encryption_aes_256_gcm_test.json"
PUBLISHED = 35
CLIENT, RECORDING, KEY = uuid4(), uuid4(), bytes(range(32))
SEALER = Sealer(KEY, CLIENT, RECORDING)
FULL = random.Random(1).randbytes(SEGMENT)


class TestElsewhere:
    @pytest.mark.parametrize(
        ("sealer", "number", "is_last"),
        [
            (Sealer(bytes(32), CLIENT, RECORDING), 7, False),
            (Sealer(KEY, uuid4(), RECORDING), 7, False),
            (Sealer(KEY, CLIENT, uuid4()), 7, False),
            (Sealer(KEY, RECORDING, CLIENT), 7, False),
            (SEALER, 6, False),
            (SEALER, 7 + 2**32, False),
            (SEALER, 7, True),
        ],
        ids=["key", "client", "recording", "both exchanged", "number", "number of the same low bits", "as the last"],
    )
    def test_another_place(self, sealer: Sealer, number: int, *, is_last: bool) -> None:
        with pytest.raises(Damaged):
            sealer.open(number, SEALER.seal(7, FULL, is_last=False), is_last=is_last)

    def test_the_last_as_one_before(self) -> None:
        with pytest.raises(Damaged):
            SEALER.open(7, SEALER.seal(7, FULL, is_last=True), is_last=False)


class TestOfAnotherLength:
    @pytest.mark.parametrize("length", [0, 1, 55, 56, 71, 72])
    def test_no_audio_in_it(self, length: int) -> None:
        sealed = SEALER.seal(0, b"a", is_last=True)[:length].ljust(length, b"\0")
        with pytest.raises(Damaged):
            SEALER.open(0, sealed, is_last=True)

    @pytest.mark.parametrize(("length", "is_last"), [(0, True), (SEGMENT - 1, False), (SEGMENT + 1, True)])
    def test_well_sealed_and_still_no_segment(self, length: int, *, is_last: bool) -> None:
        # With the right key and place: a position in the audio would no longer tell its segment.
        encryptor = Cobblestone256Encryptor(KEY, context(CLIENT, RECORDING, 0, is_last=is_last))
        sealed = encryptor.update(bytes(length)) + encryptor.finalize()
        assert message(KEY, context(CLIENT, RECORDING, 0, is_last=is_last), sealed) == bytes(length)
        with pytest.raises(Damaged):
            SEALER.open(0, sealed, is_last=is_last)

    @pytest.mark.parametrize(("length", "is_last"), [(0, True), (0, False), (1, False), (SEGMENT + 1, True)])
    def test_is_not_sealed(self, length: int, *, is_last: bool) -> None:
        with pytest.raises(ValueError, match="segment"):
            SEALER.seal(0, bytes(length), is_last=is_last)

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_of_a_key(self, length: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            Sealer(bytes(length), CLIENT, RECORDING)

    @pytest.mark.parametrize("total", [0, -1])
    def test_no_recording_is_empty(self, total: int) -> None:
        with pytest.raises(ValueError, match="empty"):
            count(total)


class TestSealed:
    @pytest.mark.parametrize("length", [1, 16383, 16384, 16385, SEGMENT - 1, SEGMENT])
    def test_opens_in_its_place(self, length: int) -> None:
        sealed = SEALER.seal(3, FULL[:length], is_last=True)
        assert len(sealed) == sealed_length(length)
        assert SEALER.open(3, sealed, is_last=True) == FULL[:length]

    def test_a_full_one_before_the_last(self) -> None:
        sealed = SEALER.seal(0, FULL, is_last=False)
        assert len(sealed) == 1_049_672
        assert SEALER.open(0, sealed, is_last=False) == FULL

    def test_no_two_are_alike(self) -> None:
        assert len({SEALER.seal(0, b"a", is_last=True)[:24] for _ in range(1000)}) == 1000

    def test_no_two_keys_are_alike(self) -> None:
        keys = {new_key() for _ in range(1000)}
        assert {len(key) for key in keys} == {32}
        assert len(keys) == 1000

    def test_nothing_prints_the_key(self) -> None:
        assert repr(KEY) not in repr(SEALER)
        assert not hasattr(SEALER, "__dict__")

    @pytest.mark.parametrize(
        ("total", "segments"), [(1, 1), (SEGMENT, 1), (SEGMENT + 1, 2), (2**31, 2048), (2**31 + 1, 2049)]
    )
    def test_segments_of_a_length(self, total: int, segments: int) -> None:
        assert count(total) == segments


class TestTheFormat:
    def test_a_stranger_opens_a_recording(self) -> None:
        audio = FULL + FULL[::-1] + FULL[:12345]
        pieces = [audio[at : at + SEGMENT] for at in range(0, len(audio), SEGMENT)]
        assert len(pieces) == count(len(audio)) == 3
        objects = [SEALER.seal(number, piece, is_last=number == 2) for number, piece in enumerate(pieces)]
        assert recording(KEY, CLIENT, RECORDING, objects) == audio

    def test_the_page_says_these_numbers(self) -> None:
        page = (REPO / "docs" / "formats" / "recording.md").read_text()
        assert f"{SEGMENT:,}".replace(",", " ") in page
        assert f"{sealed_length(SEGMENT):,}".replace(",", " ") in page
        place = SEALER._context(0, is_last=True)
        assert place == context(CLIENT, RECORDING, 0, is_last=True)
        assert f"context of {len(place)} bytes" in page


def vectors() -> list[Any]:
    groups = json.loads(FILE.read_bytes())["testGroups"]
    return [pytest.param(one, id=str(one["tcId"])) for group in groups for one in group["tests"]]


class TestWycheproof:
    @pytest.mark.parametrize("opens", [segment._decrypt, message], ids=["ours", "stranger"])
    @pytest.mark.parametrize("vector", vectors())
    def test_opens_what_is_valid_and_nothing_else(
        self, vector: dict[str, Any], opens: Callable[[bytes, bytes, bytes], bytes]
    ) -> None:
        key, place = bytes.fromhex(vector["key"]), bytes.fromhex(vector["ctx"])
        sealed = zlib.decompress(bytes.fromhex(vector["ct"]))
        if vector["result"] == "valid":
            plain = opens(key, place, sealed)
            assert (len(plain), hashlib.sha512(plain).hexdigest()) == (vector["msgLength"], vector["msgSha512"])
        else:
            with pytest.raises((Damaged, InvalidTag, ValueError)):
                opens(key, place, sealed)

    def test_all_that_were_published_are_here(self) -> None:
        verdicts = [one.values[0]["result"] for one in vectors()]
        assert len(verdicts) == PUBLISHED
        assert set(verdicts) == {"valid", "invalid"}


def test_a_uuid_is_bound_by_its_bytes() -> None:
    told = UUID("01890A5D-AC96-774B-BCCE-B302099A8057")
    sealed = Sealer(KEY, told, RECORDING).seal(0, b"a", is_last=True)
    assert Sealer(KEY, UUID(str(told)), RECORDING).open(0, sealed, is_last=True) == b"a"
