"""A second `tenant_data` over a scratch copy of its schema, with one filter or the other switched off."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

import guard
from guard import migrate
from guard.seal import SealKey
from stack import postgres, services
from support.database import superuser
from support.machine import Machine
from support.workload import door, workload

DATABASE = "tenant_data_scratch"
_OFFSET = 40  # of its port, beyond the stack's own


@asynccontextmanager
async def scratch(stack: Machine, *, rls: bool, filters: bool) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service over an empty copy of the schema, reached as the gateway reaches it."""
    await create(stack, DATABASE)
    try:
        await _migrate(stack)
        if not rls:
            await _switch_off_rls(stack)
        port = stack.stack.port + _OFFSET
        process = _start(stack, port, filters=filters)
        try:
            async with workload(stack, "gateway", "tenant_data") as http:
                http.base_url = f"https://127.0.0.1:{port}"
                await ready(http, process)
                yield http
        finally:
            process.terminate()
            process.wait(20)
    finally:
        await drop(stack, DATABASE)


def _start(stack: Machine, port: int, *, filters: bool) -> subprocess.Popen[bytes]:
    environment = {
        **services.environment(stack.stack, "tenant_data"),
        "KONCI_DATABASE_NAME": DATABASE,
        "KONCI_LISTEN_PORT": str(port),
        "PATH": os.environ["PATH"],
    }
    neutralised = Path(__file__).with_name("neutralised.py")
    command = ["-m", "tenant_data"] if filters else [str(neutralised), "tenant_data"]
    with (stack.run / "log" / "scratch.log").open("ab") as log:
        return subprocess.Popen([sys.executable, *command, "serve"], env=environment, stderr=log, stdout=log)


async def ready(http: httpx2.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    """Waits until the process that `http` speaks to serves."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "the scratch service ended: see log/scratch.log of its run folder"
        try:
            if (await http.get("/readyz")).status_code == 200:
                return
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
    raise AssertionError("the scratch service was not ready within 30 s")


async def create(stack: Machine, database: str, service: str = "tenant_data") -> None:
    """An empty database as the bootstrap makes it for `service`, which runs with tenant_data's identity and seal."""
    await drop(stack, database)
    main = await postgres.superuser(stack.stack)
    await main.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    await main.close()
    async with door(stack, "tenant_data") as opened:
        seal_key: SealKey = opened.seal_key
    async with superuser(stack, database) as connection:
        await connection.execute(f"SET guard.service = '{service}'")
        await connection.execute((Path(guard.__path__[0]) / "sql" / "guard.sql").read_text())
        await connection.execute(
            "INSERT INTO guard.seal_key (kid, ipad, opad) VALUES ($1, $2, $3)", seal_key.kid, *seal_key.pads()
        )
        await connection.execute(
            f"GRANT CONNECT ON DATABASE {database} TO tenant_data_request, tenant_data_job;"
            " ALTER SCHEMA public OWNER TO tenant_data_owner;"
            " GRANT USAGE ON SCHEMA public TO tenant_data_request, tenant_data_job"
        )


async def _migrate(stack: Machine) -> None:
    folder = stack.stack.repo / "services" / "tenant_data" / "migrations"
    async with superuser(stack, DATABASE) as connection:
        await migrate.apply(connection, "tenant_data_owner", migrate.read(folder))


async def _switch_off_rls(stack: Machine) -> None:
    async with superuser(stack, DATABASE) as connection:
        rows = await connection.fetch("SELECT oid::regclass::text AS name FROM pg_class WHERE relrowsecurity")
        assert len(rows) >= 5
        for row in rows:
            await connection.execute(f"ALTER TABLE {row['name']} DISABLE ROW LEVEL SECURITY")


async def drop(stack: Machine, database: str) -> None:
    """The database is gone, whoever is still connected to it."""
    main = await postgres.superuser(stack.stack)
    await main.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    await main.close()
