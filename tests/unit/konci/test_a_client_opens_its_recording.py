"""02.1: a client that holds its key opens its recording by itself; of one that is not whole no byte is left behind."""

import hashlib
import json
import random
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from konci.__main__ import build
from konci.failure import Failed
from recording_storage.segment import SEGMENT, Sealer, new_key

RUN = CliRunner()
CLIENT, RECORDING, KEY = uuid4(), uuid4(), new_key()
AUDIO = random.Random(4).randbytes(2 * SEGMENT + 4321)
PIECES = [AUDIO[at : at + SEGMENT] for at in range(0, len(AUDIO), SEGMENT)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "segments"
    made.mkdir()
    for number, piece in enumerate(PIECES):
        sealed = Sealer(KEY, CLIENT, RECORDING).seal(number, piece, is_last=number == 2)
        (made / f"{number:06d}").write_bytes(sealed)
    return made


def decrypt(folder: Path, **other: object):
    told = {"key": KEY.hex(), "client": CLIENT, "recording": RECORDING, "in": folder, "out": folder.parent / "call.wav"}
    options = [word for name, value in (told | other).items() for word in (f"--{name}", str(value))]
    return RUN.invoke(build("recording"), ["recording", "decrypt", *options, "--json"])


def refused(folder: Path, **other: object) -> str:
    """Why, on one line; the folder beside holds what it held before."""
    before = sorted(folder.parent.rglob("*"))
    done = decrypt(folder, **other)
    assert isinstance(done.exception, Failed), done.output
    assert "\n" not in str(done.exception)
    assert KEY.hex() not in str(done.exception)
    assert not done.stdout
    assert sorted(folder.parent.rglob("*")) == before
    return str(done.exception)


class TestRefused:
    @pytest.mark.parametrize("number", [0, 1, 2])
    @pytest.mark.parametrize("at", [0, 30, 100, -1])
    def test_a_damaged_one(self, folder: Path, number: int, at: int) -> None:
        path = folder / f"{number:06d}"
        changed = bytearray(path.read_bytes())
        changed[at] ^= 1
        path.write_bytes(changed)
        assert f"segment {number:06d}" in refused(folder)

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_one_cut_short(self, folder: Path, number: int) -> None:
        path = folder / f"{number:06d}"
        path.write_bytes(path.read_bytes()[:-20])
        assert f"segment {number:06d}" in refused(folder)

    def test_one_that_lost_its_end(self, folder: Path) -> None:
        (folder / "000002").unlink()
        assert "segment 000001" in refused(folder)

    @pytest.mark.parametrize("number", [0, 1])
    def test_one_with_a_gap(self, folder: Path, number: int) -> None:
        (folder / f"{number:06d}").unlink()
        assert f"{number:06d} is missing" in refused(folder)

    def test_swapped_segments(self, folder: Path) -> None:
        (folder / "000000").rename(folder / "aside")
        (folder / "000001").rename(folder / "000000")
        (folder / "aside").rename(folder / "000001")
        assert "segment 000000" in refused(folder)

    def test_one_that_goes_on(self, folder: Path) -> None:
        (folder / "000003").write_bytes((folder / "000002").read_bytes())
        assert "segment 000002" in refused(folder)

    @pytest.mark.parametrize("other", [{"key": new_key().hex()}, {"client": uuid4()}, {"recording": uuid4()}])
    def test_another_place_or_key(self, folder: Path, other: dict[str, object]) -> None:
        assert "segment 000000" in refused(folder, **other)

    def test_nothing_there(self, folder: Path) -> None:
        assert "no folder" in refused(folder / "elsewhere")
        for path in folder.iterdir():
            path.unlink()
        assert "no segment" in refused(folder)

    def test_nowhere_to_put_it(self, folder: Path) -> None:
        assert f"{folder / 'away'} is no folder" in refused(folder, out=folder / "away" / "call.wav")

    def test_a_file_is_not_replaced(self, folder: Path) -> None:
        (folder.parent / "call.wav").write_bytes(b"mine")
        assert "there already" in refused(folder)
        assert (folder.parent / "call.wav").read_bytes() == b"mine"


class TestWrongUse:
    @pytest.mark.parametrize("key", ["", "00", KEY.hex()[:-1], "no-such-file", KEY.hex() + "\0"])
    def test_no_key(self, folder: Path, key: str) -> None:
        done = decrypt(folder, key=key)
        assert done.exit_code == 2
        assert not key or key not in done.output

    @pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"0" * 63, b"g" * 64])
    def test_a_file_without_a_key(self, folder: Path, content: bytes) -> None:
        (folder.parent / "key").write_bytes(content)
        assert decrypt(folder, key=folder.parent / "key").exit_code == 2

    @pytest.mark.parametrize("other", [{"client": "1"}, {"recording": "x"}])
    def test_no_id(self, folder: Path, other: dict[str, object]) -> None:
        assert decrypt(folder, **other).exit_code == 2


class TestOpened:
    @pytest.mark.parametrize("content", [None, KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"])
    def test_with_its_key(self, folder: Path, content: bytes | None) -> None:
        (folder / ".DS_Store").write_bytes(b"what a desktop leaves")
        key = folder.parent / "key"
        key.write_bytes(content or b"")
        done = decrypt(folder, key=key if content else KEY.hex())
        assert done.exit_code == 0
        out = folder.parent / "call.wav"
        assert out.read_bytes() == AUDIO
        assert out.stat().st_mode & 0o777 == 0o600
        told = json.loads(done.stdout)
        assert (told["bytes"], told["segments"]) == (len(AUDIO), 3)
        assert told["sha256"] == hashlib.sha256(AUDIO).hexdigest()
        assert {path.name for path in folder.parent.iterdir()} == {"segments", "key", "call.wav"}
