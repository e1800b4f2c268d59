"""`konci client`: the hotels on the platform, and an operator's view into one of them, which that hotel sees (04.4)."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text

from konci import access_log, certificate, screen
from konci.api import Api, trust
from konci.internal import Desk
from konci.operator import Chosen
from konci.screen import AsJson
from stack.settings import Stack

app = typer.Typer(
    help="Clients: the hotels on the platform.\n\nExample: konci client list",
    no_args_is_help=True,
)


def _a_reason(value: str) -> str:
    if not value.strip():
        raise typer.BadParameter("say why, in words that the client will read")
    return value


Reason = Annotated[
    str, typer.Option(help="Why you look; the client's administrator reads it.", callback=_a_reason, show_default=False)
]


class Plan(StrEnum):
    """What a client pays for."""

    STARTER = "starter"
    PRO = "pro"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


@app.command()
def create(
    name: Annotated[str, typer.Option(help="The client's name.")],
    admin_email: Annotated[str, typer.Option(help="Who activates the first administrator's account.")],
    plan: Annotated[Plan, typer.Option(help="What the client pays for.")] = Plan.STARTER,
    operator: Chosen = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Create a client; prints the activation token of its first administrator, once.

    Example: konci client create --name "Hotel Otter" --plan business --admin-email ada@otter.example
    """
    stack = Stack.here()
    with Desk(stack, certificate.chosen(stack, operator).file) as desk:
        created = desk.create_client(name, plan, admin_email)
    words = (
        f"client {created['client_id']} is there\n"
        f"activation token for {created['admin_email']} (72 h, once): {created['activation_token']}"
    )
    screen.show(created, Text(words), as_json=as_json)


@app.command("list")
def list_(reason: Reason, operator: Chosen = None, *, as_json: AsJson = False) -> None:
    """List the clients. That you did, and why, is an entry in the log of each.

    Example: konci client list --reason "monthly invoice"
    """
    stack = Stack.here()
    with Desk(stack, certificate.chosen(stack, operator).file) as desk:
        clients = desk.clients(reason)
    rows = [
        [str(client.get(column) or "") for column in ("client_id", "name", "plan", "created_at")] for client in clients
    ]
    screen.show(clients, screen.table("Clients", ("client id", "name", "plan", "since"), rows), as_json=as_json)


@app.command()
def log(
    client_id: Annotated[UUID, typer.Argument(metavar="CLIENT", help="The client's id.")],
    reason: Reason,
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="How far back.")] = 1,
    operator: Chosen = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a client's access log. That you looked, and why, is an entry in it.

    Example: konci client log 01890a5d-ac96-774b-bcce-b302099a8057 --reason "ticket 4711: who deleted the guest"
    """
    stack = Stack.here()
    entries, _ = look(stack, certificate.chosen(stack, operator), client_id, reason, timedelta(hours=hours))
    result = [access_log.plain(entry) for entry in entries]
    title = f"Access log of {client_id}, the last {hours} h"
    screen.show(result, access_log.draw(title, entries, {}), as_json=as_json)


def look(
    stack: Stack, who: certificate.Certificate, client_id: UUID, reason: str, back: timedelta
) -> tuple[list[access_log.Entry], list[str]]:
    """The client's log as `who` may see it for `reason`, and the ids of the entries which that look made in it.

    A ten-minute token from `auth`, then the gateway like anybody else.
    """
    with Desk(stack, who.file) as desk:
        token = desk.token(str(client_id), reason, ["access_event:read"])
    with Api(stack.url_of("gateway"), trust(str(stack.ca)), token) as api:
        return access_log.read(api, datetime.now(UTC) - back)


def register(root: typer.Typer) -> None:
    """Adds `konci client`."""
    root.add_typer(app, name="client")
