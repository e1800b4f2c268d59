"""02.1: a sealed guest is found by any spelling of its e-mail, phone or reference that means the same, by no other."""

import pytest

from tenant_data.guest import (
    GuestContent,
    GuestSearch,
    normal_email,
    normal_external_ref,
    normal_phone,
    searchable,
)


def full_width(text: str) -> str:
    """As an East Asian keyboard writes it."""
    return "".join(sign if sign == " " else chr(ord(sign) + 0xFEE0) for sign in text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@example.com", "ada@example.org"),
        ("ada@example.com", "a.da@example.com"),
        ("ada+hotel@example.com", "ada@example.com"),
    ],
)
def test_another_address_is_another(one: str, other: str) -> None:
    assert normal_email(one) != normal_email(other)


@pytest.mark.parametrize(
    "spelling",
    [
        "ada@example.com",
        "  Ada@Example.COM ",
        "ADA@EXAMPLE.COM",
        full_width("ada@example.com"),
        "ada@example.com\u00a0",
    ],
)
def test_spellings_of_one_address(spelling: str) -> None:
    assert normal_email(spelling) == "ada@example.com"


def test_an_address_is_folded_and_not_only_lowered() -> None:
    assert normal_email("STRASSE@example.com") == normal_email("straße@example.com")
    # The dotted capital I folds into two code points; composed and decomposed must still meet.
    assert normal_email("İ@example.com") == normal_email("I\u0307@example.com")


@pytest.mark.parametrize("email", ["ada@example.com", "STRAßE@example.com", "İ@Example.com", "ﬁ@example.com"])
def test_normalising_twice_changes_nothing(email: str) -> None:
    assert normal_email(normal_email(email)) == normal_email(email)


@pytest.mark.parametrize(
    "spelling",
    [
        "+49 9831 12345",
        "+49 (9831) 12345",
        "+49-9831-12345",
        "0049 9831 12345",
        full_width("+49 9831 12345"),
        "+٤٩٩٨٣١١٢٣٤٥",
    ],
)
def test_spellings_of_one_number(spelling: str) -> None:
    assert normal_phone(spelling) == "+49983112345"


@pytest.mark.parametrize("other", ["+49 9831 12346", "09831 12345", "9831 12345", "+49983112345 7"])
def test_another_number_is_another(other: str) -> None:
    assert normal_phone(other) != "+49983112345"


def test_a_plus_behind_the_digits_is_no_prefix() -> None:
    assert normal_phone("12345+6") == "123456"


def test_a_reference_keeps_its_case() -> None:
    assert normal_external_ref(" PMS-7a ") == "PMS-7a"
    assert normal_external_ref("pms-7A") != normal_external_ref("PMS-7a")


def test_only_fields_with_a_value_are_looked_up() -> None:
    assert searchable(GuestContent(name="Ada")) == {}
    assert searchable(GuestContent(name="Ada", phone="12 34")) == {"phone": "1234"}
    assert searchable(GuestSearch(email="A@b.c", external_ref="x ")) == {"email": "a@b.c", "external_ref": "x"}
