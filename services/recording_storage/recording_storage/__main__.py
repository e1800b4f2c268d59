"""`python -m recording_storage serve|migrate`."""

import sys
from pathlib import Path

from guard import process
from recording_storage.app import build
from recording_storage.settings import Settings

MIGRATIONS = Path(__file__).parents[1] / "migrations"

if __name__ == "__main__":
    sys.exit(process.main("recording_storage", Settings, build, migrations=MIGRATIONS))
