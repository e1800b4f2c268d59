"""04.1: one mailbox is one account, however it is typed; its index says nothing without the key."""

import pytest
from pydantic import ValidationError

from auth.address import AddressBook, is_address
from auth.user import Invite

BOOK = AddressBook(b"k" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@otter.example",
        "ada@",
        "ada@otter",
        "ada@.example",
        "ada@otter..example",
        "ada lovelace@otter.example",
        "ada@otter.example\n",
        "ada@otter.example, eve@otter.example",
        "<ada@otter.example>",
        "a" * 65 + "@otter.example",
        "a@" + "b" * 250 + ".example",
    ],
)
def test_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize("text", ["ada@otter", "ada\0@otter.example", "\ud800@otter.example"])
def test_nobody_is_invited_there(text: str) -> None:
    with pytest.raises(ValidationError):
        Invite.model_validate({"email": text, "name": "Ada", "role": "agent"})


@pytest.mark.parametrize("other", ["ada@otter.test", "ada+x@otter.example", "a.da@otter.example"])
def test_another_mailbox(other: str) -> None:
    assert BOOK.index(other) != BOOK.index("ada@otter.example")


def test_another_key() -> None:
    assert AddressBook(b"l" * 32).index("ada@otter.example") != BOOK.index("ada@otter.example")


@pytest.mark.parametrize("spelling", ["ada@otter.example", " ADA@Otter.Example ", "\uff41\uff44\uff41@otter.example"])
def test_one_mailbox(spelling: str) -> None:
    assert BOOK.index(spelling) == BOOK.index("ada@otter.example")


@pytest.mark.parametrize("text", ["ada@otter.example", "o'hara+desk@hôtel.example", "用户@例子.example"])
def test_an_address(text: str) -> None:
    assert is_address(text)
    assert Invite.model_validate({"email": f" {text} ", "name": "Ada", "role": "agent"}).email == text
