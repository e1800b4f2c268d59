"""`python -m audit serve|migrate|collect`."""

import sys
from pathlib import Path

from audit.app import build, collect
from audit.settings import Settings
from guard import process

MIGRATIONS = Path(__file__).parents[1] / "migrations"

if __name__ == "__main__":
    sys.exit(process.main("audit", Settings, build, migrations=MIGRATIONS, verbs={"collect": collect}))
