"""04.1: a password that could be guessed is not set, a long one in any script is, and none is ever cut."""

import contextlib

import pytest
from zxcvbn import matching

from auth import password
from guard.errors import TooGuessable

GOOD = "a lantern beside the estuary 47"
KNOWN = ["ada.lovelace@hotel-otter.example", "Ada Lovelace", "Hotel Otter"]


def refused(text: str, *, may_be_short: bool = False) -> str:
    with pytest.raises(TooGuessable) as caught:
        password.check(text, KNOWN, may_be_short=may_be_short)
    ((pointer, detail),) = caught.value.errors
    assert pointer == "/password"
    assert not text or text not in detail
    return detail


@pytest.mark.parametrize("text", ["", "Lx", "vole9 harbour", "fourteen-chars"])
def test_too_short(text: str) -> None:
    assert "15" in refused(text)


def test_too_short_even_with_a_second_factor() -> None:
    assert "12" in refused("vole9 harb.", may_be_short=True)


def test_ligatures_do_not_make_it_longer() -> None:
    # U+FDFA is one character that NFKC turns into eighteen.
    refused("\ufdfa" * 5)


def test_too_long() -> None:
    assert "128" in refused("é" * 129)


@pytest.mark.parametrize(
    "text", ["aaaaaaaaaaaaaaaaaaaa", "123456789012345678", "qwertyuiopasdfgh", "passwordpassword1"]
)
def test_long_and_easy(text: str) -> None:
    refused(text)


def test_common() -> None:
    common = next(word for word in sorted(password._COMMON) if len(word) >= 12)
    assert "common" in refused(common.upper(), may_be_short=True)


@pytest.mark.parametrize(
    "text",
    [
        "ada.lovelace@hotel-otter.example",
        "ADA LOVELACE ada lovelace",
        "Hotel-Otter-2026!!",
        "lovelace.lovelace.1",
        "hotel otter hotel otter",
        "MyKonci-MyKonci-24",
        "concierge concierge",
        "Hotel Reception Konci",
    ],
)
def test_little_more_than_a_name(text: str) -> None:
    refused(text)


def test_weak_end_of_a_long_one_is_no_excuse_for_a_weak_beginning() -> None:
    refused("a" * 128)


def test_the_pointer_is_the_callers() -> None:
    with pytest.raises(TooGuessable) as caught:
        password.check("x", [], may_be_short=False, pointer="/new_password")
    assert caught.value.errors[0][0] == "/new_password"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Zwölf Boxkämpfer jagen Viktor quer",
        "лунный чайник под мостом",
        "gläserne 🦦 Brücke über 9 Flüsse",
        "q7#Zr!" + GOOD * 3 + "z",
        # No kind of character is asked for.
        "lanternbesidetheestuary",
        "LANTERN BESIDE AN ESTUARY",
        "40917 63352 88146 20975",
        "!~ %$ #| ;: ,. <> [( ?=",
    ],
)
def test_good(text: str) -> None:
    password.check(text, KNOWN, may_be_short=False)


def test_good_with_128_code_points() -> None:
    text = (GOOD + " zebra xylophone quartz 913 ")[:59] * 3
    password.check(text[:128], KNOWN, may_be_short=False)


def test_shorter_beside_a_second_factor() -> None:
    password.check("vole9 harbour", KNOWN, may_be_short=True)
    assert password.is_short("vole9 harbour")
    assert not password.is_short(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "p4ssw0rdp@$5w0rd",
        "|0v3lace1ovelace",
        "p4ssw0rd12345678",  # a word in glyphs beside digits that are just digits
        "m1771on41re2019",  # one glyph for i beside one for l: both read at once
        "w1771amw1771am5",
    ],
)
def test_glyphs_for_letters(text: str) -> None:
    refused(text)


def test_every_glyph_is_read_in_each_way_that_it_may_stand_for() -> None:
    read = {(letter, glyph) for reading in password._readings(matching.L33T_TABLE) for glyph, letter in reading.items()}
    assert read == {(letter, glyph) for letter, glyphs in matching.L33T_TABLE.items() for glyph in glyphs}
    pairs = {(reading["1"], reading["7"]) for reading in password._readings(matching.L33T_TABLE)}
    assert pairs == {(one, seven) for one in "il" for seven in "lt"}
    assert len(password._readings({"a": ["4", "@"], "c": ["(", "{", "[", "<"]})) == 1


@pytest.mark.parametrize("length", [24, 72, 128])
def test_many_glyphs_are_little_work(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """zxcvbn's own way with glyphs looks words up in 576 readings of this text: seconds of a core for one request."""
    looked_up: list[int] = []
    match = matching.dictionary_match

    def noted(text: str, _ranked_dictionaries: object) -> object:
        looked_up.append(len(text))
        return match(text, _ranked_dictionaries)

    monkeypatch.setattr(matching, "dictionary_match", noted)
    with contextlib.suppress(TooGuessable):
        password.check(("4@8({[<369&#!1/|0$57%2z" * 6)[:length], KNOWN, may_be_short=False)
    # Each of two ends as it stands, backwards and in four readings, and so what repeats in it, which is shorter.
    assert 0 < len(looked_up) <= 2 * 6 * 4
