"""01.3: what is known to be wrong is held in a bounded room, though a whole zone may be gone."""

from uuid import uuid4

import pytest

from recording_storage import zone
from recording_storage.healer import Wounded

CLIENT = uuid4()


def test_of_a_zone_that_lost_everything_it_is_known_which_recordings() -> None:
    wounded, recordings = Wounded(), [uuid4() for _ in range(3)]
    for recording_id in recordings:
        for number in range(2049):
            wounded.note("a", zone.path(CLIENT, recording_id, number), "missing")
    assert wounded.take() == {(CLIENT, recording_id): set() for recording_id in recordings}


@pytest.mark.parametrize("kind", ["damaged", "unreadable"])
def test_what_no_listing_shows_is_held_by_name(kind: str) -> None:
    wounded, damaged = Wounded(), zone.path(CLIENT, uuid4(), 7)
    wounded.note("a", damaged, kind)
    assert wounded.is_woken.is_set()
    [paths] = wounded.take().values()
    assert paths == {damaged}


def test_what_is_found_while_others_are_healed_is_kept() -> None:
    wounded, recording_id = Wounded(), uuid4()
    met, found = (zone.path(CLIENT, recording_id, number) for number in (1, 2))
    for path in (met, found):
        wounded.note("b", path, "damaged")
    wounded.drop((CLIENT, recording_id), [met])
    assert wounded.take() == {(CLIENT, recording_id): {found}}


def test_a_zone_that_is_away_is_no_wound() -> None:
    wounded = Wounded()
    wounded.note("a", zone.path(CLIENT, uuid4(), 7), "away")
    assert not wounded.is_woken.is_set()
    assert wounded.take() == {}
