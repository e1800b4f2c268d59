"""03.4, 04.1: a secret fits one kind, one client and one row; whatever is changed in it opens nothing."""

from uuid import uuid4

import pytest

from auth.secret import Kind, Secret

CLIENT, ROW = uuid4(), uuid4()


@pytest.fixture
def secret() -> Secret:
    return Secret.new(Kind.REFRESH, CLIENT, ROW)


@pytest.mark.parametrize("text", ["", "refresh", "refresh...", "refresh.a.b.c", "é" * 80, "refresh." + "0" * 300])
def test_no_secret(text: str) -> None:
    assert Secret.read(Kind.REFRESH, text) is None


def test_of_another_kind(secret: Secret) -> None:
    assert Secret.read(Kind.CHALLENGE, secret.text) is None


@pytest.mark.parametrize("end", ["\n", " ", "=", "."])
def test_with_more_behind_it(secret: Secret, end: str) -> None:
    assert Secret.read(Kind.REFRESH, secret.text + end) is None


@pytest.mark.parametrize(
    ("kind", "client", "row"),
    [(Kind.CHALLENGE, CLIENT, ROW), (Kind.REFRESH, uuid4(), ROW), (Kind.REFRESH, CLIENT, uuid4())],
)
def test_moved_elsewhere(secret: Secret, kind: Kind, client, row) -> None:
    bits = secret.text.rsplit(".", 1)[1]
    moved = Secret.read(kind, f"{kind}.{client.hex}.{row.hex}.{bits}")
    assert moved is not None
    assert not moved.matches(secret.digest)


def test_with_one_character_changed(secret: Secret) -> None:
    last = "A" if secret.text[-1] != "A" else "B"
    other = Secret.read(Kind.REFRESH, secret.text[:-1] + last)
    assert other is not None
    assert not other.matches(secret.digest)


def test_in_capitals(secret: Secret) -> None:
    # One spelling: two texts for one secret would be two digests.
    assert Secret.read(Kind.REFRESH, secret.text.upper()) is None


def test_as_it_was_given(secret: Secret) -> None:
    read = Secret.read(Kind.REFRESH, secret.text)
    assert read == secret
    assert read is not None
    assert (read.client_id, read.row_id) == (CLIENT, ROW)
    assert read.matches(secret.digest)


def test_none_is_like_another_and_none_shows_itself(secret: Secret) -> None:
    assert Secret.new(Kind.REFRESH, CLIENT, ROW).text != secret.text
    assert secret.text not in repr(secret)
