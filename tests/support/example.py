"""The example of docs/new-service.md, taken from the page as it stands and run beside the stack.

It runs as tenant_data does: certificate, keys and users of a name of its own would come from the pages of step 6, which
are the repository's. Its roles are its own; for as long as it runs, tenant_data's are members of them.
"""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from stack import postgres, services
from support import scratch, tree
from support.machine import Machine
from support.workload import workload

DATABASE = "note_scratch"
KINDS = ("owner", "request", "job")
_BLOCK = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OFFSET = 41  # of its port, beyond the stack's own
# What `note/__main__.py` says, with the name of the workload whose identity it is lent.
_MAIN = """
import sys
from guard import process
from note.__main__ import MIGRATIONS
from note.app import build
from note.settings import Settings
sys.exit(process.main("tenant_data", Settings, build, migrations=MIGRATIONS))
"""


def write(folder: Path) -> Path:
    """Every block of the page that names its file, below `folder`; the service's own folder."""
    for name, text in _BLOCK.findall(tree.text(Path("docs/new-service.md"))):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "note"


def environment(service: Path, **settings: str) -> dict[str, str]:
    """What a process of the example is told: where its package is, and `settings`."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(service), **settings}


@asynccontextmanager
async def running(stack: Machine, service: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """The example, migrated and serving, reached as the gateway reaches a service."""
    port = stack.stack.port + _OFFSET
    own = {"KONCI_DATABASE_NAME": DATABASE, "KONCI_LISTEN_PORT": str(port)}
    async with _database(stack):
        _migrate(stack, service, own)
        process = _start(stack, service, own)
        try:
            async with workload(stack, "gateway", "tenant_data") as http:
                http.base_url = f"https://127.0.0.1:{port}"
                await scratch.ready(http, process)
                yield http
        finally:
            process.terminate()
            process.wait(20)


def _start(stack: Machine, service: Path, own: dict[str, str]) -> subprocess.Popen[bytes]:
    told = environment(service, **services.environment(stack.stack, "tenant_data") | own)
    with (stack.run / "log" / "scratch.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-c", _MAIN, "serve"], env=told, stderr=log, stdout=log)


def _migrate(stack: Machine, service: Path, own: dict[str, str]) -> None:
    told = environment(service, **services.environment(stack.stack, "tenant_data", identity="migrator") | own)
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, "migrate"], env=told, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def _database(stack: Machine) -> AsyncIterator[None]:
    await _forget(stack)
    main = await postgres.superuser(stack.stack)
    for kind in KINDS:
        await main.execute(f"CREATE ROLE note_{kind}; GRANT note_{kind} TO tenant_data_{kind}")
    await main.close()
    try:
        await scratch.create(stack, DATABASE, "note")
        yield
    finally:
        await _forget(stack)


async def _forget(stack: Machine) -> None:
    await scratch.drop(stack, DATABASE)
    main = await postgres.superuser(stack.stack)
    for kind in KINDS:
        await main.execute(f"DROP ROLE IF EXISTS note_{kind}")
    await main.close()
