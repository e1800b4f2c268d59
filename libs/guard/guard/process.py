"""`python -m <service> serve|migrate`: the same verbs for every service. Settings are read here and nowhere else."""

import argparse
import asyncio
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

S = TypeVar("S", bound=Settings)
Verb = Callable[[S, Certificate], Coroutine[Any, Any, None]]


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

    known: dict[str, Verb[S]] = {"serve": serve, "migrate": migrations_of, **(verbs or {})}
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=f"The {name} service. It is told where everything is by KONCI_* (guard/settings.py).",
        epilog=f"example: KONCI_IDENTITY=.run/identity/{name} … python -m {name} serve",
    )
    parser.add_argument("verb", choices=sorted(known))
    verb = parser.parse_args().verb
    try:
        settings = settings_class(service=name)  # the rest comes from the environment
    except ValidationError as refused:
        wrong = ", ".join(f"KONCI_{'_'.join(map(str, entry['loc'])).upper()}" for entry in refused.errors())
        sys.stderr.write(f"{name}: set {wrong} (see {name}/settings.py), or start the stack with `make up`\n")
        return 2
    telemetry.start(name, traces=settings.traces, otlp=settings.otlp)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(known[verb](settings, Certificate(settings.identity)))
    except KeyboardInterrupt:
        return 130
    except (migrate.Drifted, FileNotFoundError, errors.Unavailable) as failed:
        sys.stderr.write(f"{name} {verb}: {failed}\n")
        return 1
    return 0


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
            ssl=certificate.client(),
            timeout=10,
        )
        try:
            await migrate.apply(connection, f"{settings.service}_owner", migrate.read(folder))
        finally:
            await connection.close()
    finally:
        await vault.close()
