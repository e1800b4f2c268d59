"""`python -m <service> serve|migrate`: the same verbs for every service. Settings are read here and nowhere else.

Exit codes: 0 done (for `serve`: told to stop, and stopped), 1 failed, 2 wrong use, 128 + n cut short by signal n.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from guard import errors, migrate, server, telemetry
from guard.settings import Settings
from guard.tls import Certificate
from guard.vault import Vault

_log = logging.getLogger("guard.process")
_MIGRATE = "migrate"

S = TypeVar("S", bound=Settings)
Verb = Callable[[S, Certificate], Coroutine[Any, Any, None]]
"""What a verb runs. It is cancelled when the process is told to stop."""


def main(
    name: str,
    settings_class: type[S],
    build: Callable[[S, Certificate], FastAPI],
    *,
    migrations: Path,
    verbs: Mapping[str, Verb[S]] | None = None,
) -> int:
    """Runs one verb of service `name`; the process's exit code. `build` makes the application for `serve`."""

    async def serve(settings: S, certificate: Certificate) -> None:
        await server.serve(build(settings, certificate), settings, certificate)

    async def migrations_of(settings: S, certificate: Certificate) -> None:
        await _migrate(settings, certificate, migrations)

    known: dict[str, Verb[S]] = {"serve": serve, _MIGRATE: migrations_of, **(verbs or {})}
    verb = _asked(name, sorted(known))
    try:
        settings = settings_class(service=name)  # the rest comes from the environment
    except ValidationError as refused:
        wrong = ", ".join(f"KONCI_{'_'.join(map(str, entry['loc'])).upper()}" for entry in refused.errors())
        sys.stderr.write(f"{name}: set {wrong} (see {name}/settings.py), or start the stack with `make up`\n")
        return 2
    telemetry.start(name, traces=settings.traces, otlp=settings.otlp)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told = runner.run(_until_told(known[verb](settings, Certificate(settings.identity))))
    except (migrate.Drifted, OSError, errors.Unavailable, asyncpg.PostgresError) as failed:
        sys.stderr.write(f"{name} {verb}: {failed}\n")
        return 1
    except Exception:  # noqa: BLE001 - said as type and place: the traceback that Python would print may quote data
        _log.exception("ended by a defect")
        return 1
    finally:
        telemetry.stop()
    # A migration that was cut short is not done; all other verbs run until they are told to stop.
    return 128 + told if told and verb == _MIGRATE else 0


def _asked(name: str, verbs: list[str]) -> str:
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=f"The {name} service. It is told where everything is by KONCI_* (guard/settings.py).",
        epilog=f"example: KONCI_IDENTITY=.run/identity/{name} … python -m {name} serve",
    )
    parser.add_argument("verb", choices=verbs)
    return str(parser.parse_args().verb)


async def _until_told(work: Coroutine[Any, Any, None]) -> int:
    """Runs `work`, cancelled by SIGTERM or SIGINT; the signal's number, or 0."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    told: list[int] = []

    def stop(number: int) -> None:
        told.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    return told[0] if told else 0


async def _migrate(settings: Settings, certificate: Certificate, folder: Path) -> None:
    # The certificate is the migrator's: no running service may become the owner of its tables.
    vault = Vault(settings.model_copy(update={"service": "migrator"}), certificate)
    try:
        user = await vault.database_user(f"{settings.service}-migrate")
        connection = await asyncpg.connect(
            host=settings.database_host,
            port=settings.database_port,
            database=settings.database_name,
            user=user.user,
            password=user.password,
            ssl=certificate.client("postgres"),
            timeout=10,
        )
        try:
            await migrate.apply(connection, f"{settings.service}_owner", migrate.read(folder))
        finally:
            await connection.close()
    finally:
        await vault.close()
