"""05.4, 01.3: what runs at once is bounded, for a client and for all, and a place is given back however it ended."""

import asyncio
from contextlib import ExitStack
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, Gauge

from audit.delivery import EXPORTS
from guard import errors
from guard.places import Bounds, Places
from recording_storage.archive import PLAYS, UPLOADS

OTTER, HERON = uuid4(), uuid4()


def test_a_client_has_its_share() -> None:
    places = Places("plays", Bounds(2, 4, kept=0), retry_after=5)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.taken(OTTER))
        with pytest.raises(errors.TooMany) as refused:
            held.enter_context(places.taken(OTTER))
        assert refused.value.headers["Retry-After"] == "5"
        held.enter_context(places.taken(HERON))  # another's is its own


def test_all_together_have_no_more() -> None:
    places = Places("plays", Bounds(2, 3, kept=0), retry_after=5)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(places.taken(uuid4()))
        with pytest.raises(errors.Unavailable) as refused:
            held.enter_context(places.taken(uuid4()))
        assert refused.value.headers["Retry-After"] == "5"


def test_the_last_ones_are_for_who_has_none() -> None:
    places = Places("plays", Bounds(of_one=3, in_all=5, kept=2), retry_after=5)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(places.taken(OTTER))
        held.enter_context(places.taken(HERON))
        with pytest.raises(errors.Unavailable):
            held.enter_context(places.taken(HERON))
        held.enter_context(places.taken(uuid4()))
        with pytest.raises(errors.Unavailable):
            held.enter_context(places.taken(uuid4()))


def test_alone_a_client_has_its_whole_share() -> None:
    for bounds in (UPLOADS, PLAYS, EXPORTS):
        places = Places("…", bounds, retry_after=5)
        with ExitStack() as held:
            for _ in range(bounds.of_one):
                held.enter_context(places.taken(OTTER))
            for _ in range(bounds.kept):
                held.enter_context(places.taken(uuid4()))


def test_a_client_with_its_share_is_told_so_in_a_full_process_too() -> None:
    places = Places("plays", Bounds(1, 1, kept=0), retry_after=5)
    with places.taken(OTTER), pytest.raises(errors.TooMany), places.taken(OTTER):
        pass


@pytest.mark.parametrize("end", [ValueError, asyncio.CancelledError, GeneratorExit])
def test_each_is_given_back(end: type[BaseException]) -> None:
    places = Places("plays", Bounds(1, 1, kept=0), retry_after=5)
    for _ in range(3):
        with pytest.raises(end), places.taken(OTTER):
            raise end
    with places.taken(OTTER):
        pass
    assert not places._held  # nor is a client remembered that has none


def test_who_is_refused_takes_none() -> None:
    places = Places("plays", Bounds(1, 2, kept=0), retry_after=5)
    with places.taken(OTTER):
        for _ in range(3):
            with pytest.raises(errors.TooMany), places.taken(OTTER):
                pass
        with places.taken(HERON):
            pass


def test_how_many_run_can_be_followed() -> None:
    running = Gauge("running", "…", registry=CollectorRegistry())
    places = Places("plays", Bounds(1, 2, kept=0), retry_after=5, running=running)
    with places.taken(OTTER), places.taken(HERON):
        assert running._value.get() == 2
        with pytest.raises(errors.TooMany), places.taken(OTTER):
            pass
        assert running._value.get() == 2
    assert running._value.get() == 0
