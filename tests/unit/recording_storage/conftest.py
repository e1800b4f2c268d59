"""Two folders as two zones."""

import pytest

from recording_storage import zone
from support.zone_suite import SET


@pytest.fixture
def wounds():
    return []


@pytest.fixture
def opened(tmp_path, wounds):
    def open_zones(seconds=5.0, names=("a", "b")):
        first, second = (zone.Place(str(tmp_path / name)) for name in names)
        return zone.open_zones(zone.ZoneSettings((first, second), seconds), lambda *wound: wounds.append(wound))

    return open_zones


@pytest.fixture
async def zones(opened):
    both = opened()
    await both.prepare(SET, is_new=True)
    return both
