"""03.2: a seal is for one client, one backend and one minute; only the holder of the key can make it."""

import hashlib
from types import SimpleNamespace
from uuid import UUID

import pytest

from guard import seal
from guard.seal import LIFETIME, SealKey

CLIENT = UUID("0190a0b0-0000-7000-8000-000000000001")
OTHER = UUID("0190a0b0-0000-7000-8000-000000000002")
KEY = SealKey(3, bytes(range(32)))
NOW = 1_795_493_882.9
PID = 4711


@pytest.fixture(autouse=True)
def _at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "time", SimpleNamespace(time=lambda: NOW))


def mac(key: SealKey, head: str, pid: int) -> str:
    """RFC 2104 by hand, from the pads, as `guard.client_id()` computes it."""
    inner, outer = key.pads()
    return hashlib.sha256(outer + hashlib.sha256(inner + f"{head}{pid}".encode()).digest()).hexdigest()


def test_it_is_what_the_database_computes() -> None:
    head = f"{CLIENT}.1795493887.3."
    assert KEY.seal(CLIENT, PID) == head + mac(KEY, head, PID)


def test_each_part_is_where_the_database_looks() -> None:
    made = KEY.seal(CLIENT, PID)
    assert len(made) == 114
    assert (made[:36], made[37:47], made[48]) == (str(CLIENT), "1795493887", "3")
    assert made[:50].endswith(".")
    assert bytes.fromhex(made[50:])


@pytest.mark.parametrize(
    ("key", "client", "pid"),
    [
        (KEY, OTHER, PID),
        (KEY, CLIENT, PID + 1),
        (SealKey(4, KEY.key), CLIENT, PID),
        (SealKey(3, bytes(32)), CLIENT, PID),
    ],
    ids=["client", "backend", "key id", "key"],
)
def test_another_one_has_another_mac(key: SealKey, client: UUID, pid: int) -> None:
    assert key.seal(client, pid)[50:] != KEY.seal(CLIENT, PID)[50:]


def test_the_backend_is_not_in_its_text() -> None:
    assert KEY.seal(CLIENT, PID)[:50] == KEY.seal(CLIENT, PID + 1)[:50]


def test_it_lives_seconds_only() -> None:
    assert LIFETIME <= 5
    assert int(KEY.seal(CLIENT, PID)[37:47]) - NOW <= LIFETIME
    assert KEY.seal(CLIENT, PID, lifetime=1)[37:47] == "1795493883"


@pytest.mark.parametrize("length", [32, 64])
def test_pads_are_whole_blocks(length: int) -> None:
    inner, outer = SealKey(1, b"\xff" * length).pads()
    assert (len(inner), len(outer)) == (64, 64)
    assert (inner[0], outer[0]) == (0xFF ^ 0x36, 0xFF ^ 0x5C)


def test_nothing_prints_the_key() -> None:
    assert KEY.key.hex() not in repr(KEY)
    assert repr(KEY.key) not in repr(KEY)
