"""What an operator sees: results on stdout, as a table or as JSON, and progress on stderr. It decides nothing."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]

# A pipe has no width; 80 columns would cut every id in two.
_PIPE_WIDTH = 170


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def say(line: str) -> None:
    """One line of progress, on stderr, so that stdout holds the result alone."""
    _console(stderr=True).print(Text(line))


def show(result: object, picture: RenderableType, *, as_json: bool) -> None:
    """The result: `picture` for people, or `result` as JSON for programs."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2, default=str))
    else:
        _console(stderr=False).print(picture)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> RenderableType:
    """A table whose cells are plain text: what a guest or an attacker wrote is never read as markup."""
    if not rows:
        return Text(f"{title}: none")
    drawn = Table(title=Text(title, style="bold"), title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_printable(str(cell))) for cell in row))
    return drawn


def _printable(cell: str) -> str:
    # A user agent of an attacker must not move the cursor or colour an operator's terminal.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cell)
