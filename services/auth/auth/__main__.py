"""`python -m auth serve|migrate`."""

import sys
from pathlib import Path

from auth.app import build
from auth.settings import Settings
from guard import process

MIGRATIONS = Path(__file__).parents[1] / "migrations"

if __name__ == "__main__":
    sys.exit(process.main("auth", Settings, build, migrations=MIGRATIONS))
