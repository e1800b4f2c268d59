"""The `konci` command: one typer app on which each command module registers itself. Holds no command of its own."""

import sys
from importlib import import_module

import typer

from stack.settings import StackError

# A command module has `register(app)`; add it here, and the commands that it registers.
_MODULES = {
    "lifecycle": ("up", "down", "status", "logs", "doctor"),
    "client": ("client",),
    "operator": ("operator",),
    "recording": ("recording",),
    "demo": ("demo",),
    "dlq": ("dlq",),
}


def build(asked: str = "") -> typer.Typer:
    """The app with all commands, or only with the module of the one that was asked for: all of them take two seconds
    to import.
    """
    app = typer.Typer(
        name="konci",
        help="Run and operate the platform. Every command has --help with an example, and --json.\n\n"
        "Example: konci status",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)  # else an app of one command takes the command's name for an argument
    wanted = [module for module, commands in _MODULES.items() if asked in commands] or list(_MODULES)
    for module in wanted:
        import_module(f"konci.{module}").register(app)
    return app


def main() -> None:
    """Run the command; 0 only when it is done, 2 on wrong use, else 1 with one line that says what to do."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
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
