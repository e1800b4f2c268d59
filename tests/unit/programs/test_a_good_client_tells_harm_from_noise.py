"""05.4: a verdict on an attack can be a bad one: neither a slow answer nor a missing one goes by."""

import pytest

from support.good_client import WINDOWS, Measured, Sample

OF_ONE = 200  # samples in a window
PEACE = [0.01] * WINDOWS


def samples(*windows: float, fault: str = "", is_fresh: bool = False) -> list[Sample]:
    """Each window's answers took so many seconds."""
    took = [one for one in windows for _ in range(OF_ONE)]
    return [Sample(float(n), seconds, 0.0, fault, is_fresh) for n, seconds in enumerate(took)]


@pytest.mark.parametrize("harmed", range(WINDOWS + 1))
def test_harm_in_most_windows_counts(harmed: int) -> None:
    measured = Measured(samples(*PEACE), samples(*[1.0] * harmed, *PEACE[harmed:]), fresh=True)
    assert measured.is_slowed == (harmed > WINDOWS // 2)
    if measured.is_slowed:
        with pytest.raises(AssertionError, match="attacked"):
            measured.assert_served()
    else:
        measured.assert_served()


@pytest.mark.parametrize("is_fresh", [False, True])
@pytest.mark.parametrize("fresh", [False, True])
def test_one_who_is_not_served(fresh: bool, is_fresh: bool) -> None:
    attacked = samples(*PEACE) + samples(0.01, fault="refused", is_fresh=is_fresh)[:1]
    measured = Measured(samples(*PEACE), attacked, fresh)
    if is_fresh and not fresh:
        measured.assert_served()
    else:
        assert not measured.is_slowed  # it is not looked at once more
        with pytest.raises(AssertionError, match="1 of 1001 not served"):
            measured.assert_served()
