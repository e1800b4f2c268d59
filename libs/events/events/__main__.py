"""`python -m events schemas [--check]`: writes the JSON Schemas, or says which are stale (exit 1)."""

import argparse
import sys

from events import schema


def main(arguments: list[str] | None = None) -> int:
    """0: up to date or written; 1: stale (`--check`) or a breaking change; 2: wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m events",
        description=__doc__,
        epilog="example: .venv/bin/python -m events schemas --check",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    schemas = commands.add_parser("schemas", help="write the schemas of all events")
    schemas.add_argument("--check", action="store_true", help="write nothing; exit 1 when one is stale")
    if parser.parse_args(arguments).check:
        names = schema.stale()
        sys.stderr.writelines(f"stale: {name} (run `python -m events schemas`)\n" for name in names)
        return 1 if names else 0
    try:
        names = schema.write()
    except schema.Breaking as change:
        sys.stderr.write(f"breaking, so it needs a new version of the class:\n{change}\n")
        return 1
    sys.stdout.writelines(f"written: {name}\n" for name in names)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
