"""`konci up`, `down`, `status`, `logs` and `doctor`: the stack on this machine, seen from a terminal."""

import asyncio
import json
import sys
from collections import deque
from dataclasses import asdict
from typing import Annotated

import typer

from stack import doctor as stack_doctor
from stack import down as stack_down
from stack import status as stack_status
from stack import up as stack_up
from stack.settings import Stack, StackError

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    for command in (up, down, status, logs, doctor):
        app.command()(command)


def up(
    *,
    only: Annotated[str, typer.Option(help="Just these, by name, comma-separated.")] = "",
    as_json: Json = False,
) -> None:
    """Start what is not running, in dependency order, and wait until it serves. Safe to call again.

    Example: konci up --only openbao,postgres
    """
    selected = frozenset(name.strip() for name in only.split(",") if name.strip())
    unknown = selected - set(stack_up.NAMES)
    if unknown:
        message = f"{', '.join(sorted(unknown))}: no such process; there are {', '.join(stack_up.NAMES)}"
        raise typer.BadParameter(message, param_hint="--only")
    stack = Stack.here()
    report = (lambda _line: None) if as_json else typer.echo
    started = asyncio.run(stack_up.up(stack, only=selected, report=report))
    if as_json:
        typer.echo(json.dumps({"started": started, "gateway": stack.url_of("gateway"), "ca": str(stack.ca)}))


def down(
    *,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Also delete every row, key and certificate of this stack.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before wiping; a script is never asked.")] = False,
    as_json: Json = False,
) -> None:
    """Stop every process of this stack; the data stays, unless --wipe says otherwise.

    Example: konci down
    """
    stack = Stack.here()
    if wipe and not yes and sys.stdin.isatty():
        question = f"Delete every row, key, recording and certificate in {stack.run}? Nothing brings them back."
        if as_json or not typer.confirm(question):
            raise typer.BadParameter("wiping needs a yes", param_hint="--yes")
    report = (lambda _line: None) if as_json else typer.echo
    stopped = stack_down.down(stack, wipe=wipe, report=report)
    if as_json:
        typer.echo(json.dumps({"stopped": stopped, "wiped": wipe}))


def status(*, as_json: Json = False) -> None:
    """Show each process: running, ready, since when. Exits 1 when one of them is not ready.

    Example: konci status --json
    """
    rows = asyncio.run(stack_status.status(Stack.here()))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
    else:
        for row in rows:
            typer.echo(row.line())
        if not rows:
            typer.echo("nothing is running: start it with `make up`")
    if not rows or not all(row.ready for row in rows):
        raise typer.Exit(1)


def logs(
    service: Annotated[str, typer.Argument(help="A process, as `konci status` names it.")],
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    as_json: Json = False,
) -> None:
    """Print the last lines that a process wrote.

    Example: konci logs postgres -n 20
    """
    stack = Stack.here()
    if service not in (*stack_up.NAMES, "supervisord"):
        message = f"{service}: no such process; there are {', '.join(stack_up.NAMES)}"
        raise typer.BadParameter(message, param_hint="SERVICE")
    path = stack.log(service)
    if not path.exists():
        message = f"{service} has not written a log yet: start it with `konci up`"
        raise StackError(message)
    with path.open(encoding="utf-8", errors="replace") as file:
        tail = [line.rstrip("\n") for line in deque(file, maxlen=lines)]
    typer.echo(json.dumps({"service": service, "lines": tail}) if as_json else "\n".join(tail))


def doctor(*, as_json: Json = False) -> None:
    """Say what is wrong on this machine, and what to do about it. Exits 1 when something is.

    Example: konci doctor
    """
    findings = stack_doctor.examine(Stack.here())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.subject}: {finding.text}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
