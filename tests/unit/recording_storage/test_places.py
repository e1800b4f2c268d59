"""01.3: uploads and plays at once are bounded, for a client and for all, and a place is given back however it ended."""

from contextlib import ExitStack
from uuid import uuid4

import pytest

from guard import errors
from recording_storage.places import Places


def test_a_client_has_its_share() -> None:
    places, otter, heron = Places("plays", of_one=2, in_all=4), uuid4(), uuid4()
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.taken(otter))
        with pytest.raises(errors.Unavailable) as refused:
            held.enter_context(places.taken(otter))
        assert int(refused.value.headers["Retry-After"]) > 0
        held.enter_context(places.taken(heron))


def test_all_have_theirs() -> None:
    places = Places("plays", of_one=2, in_all=3)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(places.taken(uuid4()))
        with pytest.raises(errors.Unavailable):
            held.enter_context(places.taken(uuid4()))


def test_each_is_given_back() -> None:
    places, otter = Places("plays", of_one=1, in_all=1), uuid4()
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), places.taken(otter):
            raise ValueError("broken")
    with places.taken(otter):
        pass
