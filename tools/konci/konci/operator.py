"""`konci operator`: who may act on the platform. An operator is a person with a name, never a shared account (04.3)."""

import re
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from guard.rights import Right
from konci import certificate, screen
from konci.internal import Desk, bootstrap
from konci.screen import AsJson
from stack.settings import Stack

app = typer.Typer(
    help="Operators: people with a personal certificate of a few hours.\n\nExample: konci operator add alice",
    no_args_is_help=True,
)

HOURS = 8
# As in the certificate's URI SAN and in access logs; no dots or slashes, because it is also a folder's name.
_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")


def _a_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise typer.BadParameter("2 to 32 of a-z, 0-9 and -, beginning with a letter")
    return value


Name = Annotated[str, typer.Argument(help="The operator's name, e.g. alice.", callback=_a_name)]
Chosen = Annotated[
    str | None,
    typer.Option("--operator", envvar="KONCI_OPERATOR", help="Act as this operator; needless when only one is here."),
]


@app.command()
def add(
    name: Name,
    hours: Annotated[int, typer.Option(min=1, max=12, help="How long the certificate lasts.")] = HOURS,
    right: Annotated[list[Right] | None, typer.Option(help="May ask for this right only; repeat it for more.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Register an operator and issue the personal certificate; run it again for a new certificate.

    Example: konci operator add alice --right access_event:read --right client:read
    """
    stack = Stack.here()
    made, rights = enrol(stack, name, hours, right)
    result = {"name": name, "certificate": str(made.file), "expires_at": made.not_after.isoformat(), "rights": rights}
    words = f"{name} is an operator until {made.not_after:%Y-%m-%d %H:%M} UTC, with {made.file}"
    screen.show(result, Text(words), as_json=as_json)


def enrol(
    stack: Stack, name: str, hours: int, rights: list[Right] | None = None
) -> tuple[certificate.Certificate, list[str]]:
    """Registers `name` at `auth` and issues a certificate, both as the bootstrap identity; what `name` may ask for."""
    # Registered first: a certificate that nobody knows yet would be refused with no way to tell why.
    with Desk(stack, bootstrap(stack)) as desk:
        held = desk.register(name, rights)
    return certificate.issue(stack, name, hours), held


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the registered operators, and whose certificate lies on this machine.

    Example: konci operator list --json
    """
    stack = Stack.here()
    with Desk(stack, bootstrap(stack)) as desk:
        registered = desk.operators()
    here = {found.name: found for found in certificate.here(stack)}
    now = datetime.now(UTC)
    result = [
        {
            "name": one["name"],
            "registered_at": one["created_at"],
            "rights": one["rights"],
            "certificate": str(here[one["name"]].file) if one["name"] in here else None,
            "expires_at": here[one["name"]].not_after.isoformat() if one["name"] in here else None,
            "valid_here": one["name"] in here and here[one["name"]].is_valid(now),
        }
        for one in registered
    ]
    rows = [
        [one["name"], one["registered_at"], one["expires_at"] or "no certificate here", " ".join(one["rights"])]
        for one in result
    ]
    screen.show(
        result,
        screen.table("Operators", ("name", "registered", "certificate until", "may ask for"), rows),
        as_json=as_json,
    )


@app.command()
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Remove an operator: certificates and tokens of that name are refused at once, on every service.

    Example: konci operator remove alice
    """
    was_here = dismiss(Stack.here(), name)
    words = f"{name} is no operator any more" + (", and the certificate here is deleted" if was_here else "")
    screen.show({"name": name, "removed": True, "certificate_deleted": was_here}, Text(words), as_json=as_json)


def dismiss(stack: Stack, name: str) -> bool:
    """Ends the operator on the whole platform, then deletes the certificate here; whether there was one here."""
    with Desk(stack, bootstrap(stack)) as desk:
        desk.remove(name)
    return certificate.discard(stack, name)


def register(root: typer.Typer) -> None:
    """Adds `konci operator`."""
    root.add_typer(app, name="operator")
