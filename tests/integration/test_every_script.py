"""Names are as people write them: every script, emoji and direction comes back exactly."""

import pytest

from support.hotel import Hotel, expect


@pytest.mark.parametrize(
    "name",
    [
        "José 𝒜𝓁𝓁",
        "مضيف الفندق",
        "👩‍👩‍👧‍👦 family",
        "שלום\u200f עולם",
        "a\u0301 ≠ á",
        "𠜎𠜱𠝹",
        "line\nbreak\ttab",
        "\u200bzero",
    ],
)
def test_every_script_comes_back_exactly(otter: Hotel, name: str) -> None:
    guest = otter.guest(name=name, notes=name * 3)
    read = expect(otter.agent.get(f"/v1/guests/{guest['id']}"), 200).json()
    assert (read["name"], read["notes"]) == (name, name * 3)
    expect(otter.agent.delete(f"/v1/guests/{guest['id']}"), 202)
