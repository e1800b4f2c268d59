"""01.3: what is known to be wrong is held in a bounded room, though a whole zone may be gone."""

from uuid import uuid4

from recording_storage import zone
from recording_storage.healer import Wounded

CLIENT = uuid4()


def test_of_a_zone_that_lost_everything_it_is_known_which_recordings() -> None:
    wounded, recordings = Wounded(), [uuid4() for _ in range(3)]
    for recording_id in recordings:
        for number in range(2049):
            wounded.note("a", zone.path(CLIENT, recording_id, number), "missing")
    assert wounded.take() == {(CLIENT, recording_id): set() for recording_id in recordings}


def test_what_no_listing_shows_is_held_by_name() -> None:
    wounded, damaged = Wounded(), zone.path(CLIENT, uuid4(), 7)
    wounded.note("a", damaged, "damaged")
    assert wounded.is_woken.is_set()
    [paths] = wounded.take().values()
    assert paths == {damaged}


def test_a_zone_that_is_away_is_no_wound() -> None:
    wounded = Wounded()
    wounded.note("a", zone.path(CLIENT, uuid4(), 7), "away")
    assert not wounded.is_woken.is_set()
    assert wounded.take() == {}
