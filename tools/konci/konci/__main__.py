"""The `konci` command: one typer app on which each command module registers itself. Holds no command of its own."""

import sys

import typer

from konci import client, demo, dlq, lifecycle, operator, recording
from stack.settings import StackError

app = typer.Typer(
    name="konci",
    help="Run and operate the platform. Every command has --help with an example, and --json.\n\nExample: konci status",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# A command module has `register(app)`; add it here.
for module in (lifecycle, client, operator, recording, demo, dlq):
    module.register(app)


def main() -> None:
    """Run the command; 0 only when it is done, 2 on wrong use, else 1 with one line that says what to do."""
    try:
        app()
    except StackError as error:
        typer.echo(f"konci: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        # A full disk or missing rights, named with its file; `doctor` knows the usual causes.
        where = f": {error.filename}" if error.filename else ""
        typer.echo(f"konci: {error.strerror or error}{where}; `konci doctor` looks for the cause", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("konci: interrupted; what was started keeps running (`konci down` stops it)", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
