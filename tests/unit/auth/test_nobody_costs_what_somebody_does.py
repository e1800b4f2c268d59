"""04.1 (ASVS 6.3.8): the password of an unknown user is hashed with the same work as a known one's, then refused."""

from collections.abc import Iterator

import pytest
from argon2 import extract_parameters

from auth import password
from auth.password import Hasher

TEXT = "a lantern beside the estuary 47"


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    made = Hasher()
    yield made
    made.close()


async def test_the_same_work(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    verify = password._verify

    def noted(stored: str, given: str) -> bool:
        done.append(stored)
        return verify(stored, given)

    monkeypatch.setattr(password, "_verify", noted)
    somebodys = await hasher.hash(TEXT)
    assert await hasher.matches(somebodys, TEXT)
    assert not await hasher.matches(None, TEXT)
    assert len(done) == 2, "nobody was answered without a hash"
    assert extract_parameters(done[0]) == extract_parameters(done[1])
