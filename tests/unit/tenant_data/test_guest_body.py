"""What a guest may be made of: limits in code points, and any script exactly as it was written."""

from typing import Any

import pytest
from pydantic import ValidationError

from tenant_data.guest import GuestChange, GuestContent, GuestSearch, merge

ADA = GuestContent(name="Ada", email="ada@example.com", phone="+49 1", notes="window", external_ref="7")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": None},
        {"name": 7},
        {"name": "a" * 201},
        {"name": "nul\0"},
        {"name": "lone \ud800"},
        {"name": "Ada", "email": "a" * 312 + "@mail.test"},
        {"name": "Ada", "email": "not an address"},
        {"name": "Ada", "email": "@example.com"},
        {"name": "Ada", "email": "ada@"},
        {"name": "Ada", "email": "a da@example.com"},
        {"name": "Ada", "phone": "1" * 33},
        {"name": "Ada", "phone": "no digits"},
        {"name": "Ada", "notes": "n" * 10_001},
        {"name": "Ada", "external_ref": "r" * 201},
        {"name": "Ada", "external_ref": "   "},
        {"name": "Ada", "language": "x" * 36},
        {"name": "Ada", "language": "de_DE"},
        {"name": "Ada", "language": "de-"},
        {"name": "Ada", "language": "de\n"},
        {"name": "Ada", "client_id": "0"},
        {"name": "Ada", "version": 4},
    ],
)
def test_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuestContent.model_validate(body)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a" * 200,
        "👩‍👩‍👧‍👦" * 20,
        "مرحبا بالضيف",
        "שלום",
        "\U0001d49c\U0001d4b9\U0001d4b6",
        "e\u0301",
        "  kept  ",
        "\u202eright to left\u202c",
    ],
)
def test_taken_as_written(name: str) -> None:
    assert GuestContent(name=name).name == name


@pytest.mark.parametrize("language", ["de", "de-DE", "zh-Hant-TW", "sl-rozaj-biske-1994", "x-klingon"])
def test_languages(language: str) -> None:
    assert GuestContent(name="Ada", language=language).language == language


@pytest.mark.parametrize("body", [{}, {"email": None}, {"name": "Ada"}, {"email": "ada@example.com", "limit": 1}])
def test_a_search_without_a_question_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuestSearch.model_validate(body)


@pytest.mark.parametrize("change", [{"name": None}, {"name": ""}, {"nickname": "A"}, {"phone": "none"}])
def test_a_change_is_checked_like_a_guest(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuestChange.model_validate(change)


def test_a_change_replaces_what_it_names_and_keeps_the_rest() -> None:
    changed = merge(ADA, GuestChange.model_validate({"name": "Ada L.", "phone": "+49 2"}))
    assert changed == ADA.model_copy(update={"name": "Ada L.", "phone": "+49 2"})


def test_null_clears() -> None:
    changed = merge(ADA, GuestChange.model_validate({"email": None, "notes": None}))
    assert (changed.email, changed.notes, changed.phone) == (None, None, ADA.phone)


def test_an_empty_change_changes_nothing() -> None:
    assert merge(ADA, GuestChange()) == ADA
