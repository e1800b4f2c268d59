"""03.1: a client of which no more is known than that it has left keeps its recordings as a new one does."""

from auth.client import at_first
from recording_storage.consumers import DAYS_OF_A_NEW_CLIENT


def test_its_days_are_a_new_clients() -> None:
    assert at_first().retention.recordings_days == DAYS_OF_A_NEW_CLIENT
