"""01.3: a zone in a bucket that nothing is known to open is refused at the start, with what is to be done."""

from types import SimpleNamespace
from typing import Any

import pytest

from recording_storage import app

AT = "https://store.example:9000/audio"
SETTINGS: Any = SimpleNamespace(service="recording_storage", zone_region="eu-central-1", zone_ca=None)


@pytest.mark.parametrize("opens", [{}, {"key_id": "k"}, {"key_secret": "s"}])
def test_it_says_what_is_missing(opens: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=rf"kv/recording_storage/zones says not what opens {AT}: give its key_id and"):
        app._place(SETTINGS, AT, opens)


def test_it_is_opened() -> None:
    place = app._place(SETTINGS, AT, {"key_id": "k", "key_secret": "s"})
    assert (place.at, place.region) == (AT, "eu-central-1")


def test_a_folder_needs_nothing() -> None:
    assert app._place(SETTINGS, "/zones/a", {}).at == "/zones/a"
