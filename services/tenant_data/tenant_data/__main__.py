"""`python -m tenant_data serve|migrate`."""

import sys
from pathlib import Path

from guard import process
from tenant_data.app import build
from tenant_data.settings import Settings

MIGRATIONS = Path(__file__).parents[1] / "migrations"

if __name__ == "__main__":
    sys.exit(process.main("tenant_data", Settings, build, migrations=MIGRATIONS))
