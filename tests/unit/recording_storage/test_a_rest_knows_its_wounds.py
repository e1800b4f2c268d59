"""01.3, 04.4: what is lost in several places is not opened again for each of them in turn."""

from uuid import UUID

from recording_storage.resting import Resting

ONE = (UUID(int=1), UUID(int=2))


def test_those_of_before_count_as_known() -> None:
    resting = Resting(lambda: 0.0)
    for path in ("p", "q"):
        resting.lay(ONE, {path}, is_final=True)
    assert not resting.holds(ONE, {"r"})
    assert resting.holds(ONE, {"p"})
    assert resting.holds(ONE, {"q"})
