"""The platform's own services as local processes, and the migrations that run before them.

A service is told names, paths and ports, never a secret (02.4).
"""

import asyncio
import os
import sys

import httpx2

from stack import bao, configured, openbao
from stack.program import NotReady, Program
from stack.settings import Stack, StackError

# Freed memory is kept for a second and used again, then given back by a thread of its own.
_ALLOCATOR = "background_thread:true,narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0"


def program(stack: Stack, service: str) -> Program:
    """A service's process."""
    return Program(
        name=service,
        command=[sys.executable, "-m", service, "serve"],
        environment=environment(stack, service),
        ready=lambda: _ready(stack, service),
    )


def collector(stack: Stack) -> Program:
    """The collector: reads OpenBao's audit log."""
    return Program(
        name="audit_collector",
        command=[sys.executable, "-m", "audit", "collect"],
        environment={**environment(stack, "audit"), "KONCI_VAULT_AUDIT_LOG": str(openbao.audit_log(stack))},
        ready=_at_once,
    )


def environment(stack: Stack, service: str, *, identity: str | None = None) -> dict[str, str]:
    """What a service's process reads as settings (`guard.settings`)."""
    own = {
        "KONCI_IDENTITY": str(stack.identity(identity or service)),
        "KONCI_LISTEN_PORT": str(stack.port_of(service)),
        "KONCI_VAULT": stack.url_of("openbao"),
        "KONCI_DATABASE_HOST": "127.0.0.1",
        "KONCI_DATABASE_PORT": str(stack.port_of("postgres")),
        "KONCI_DATABASE_NAME": service,
        "KONCI_KAFKA": f"127.0.0.1:{stack.port_of('kafka')}",
        "KONCI_AUTH": stack.url_of("auth"),
        "KONCI_ISSUER": stack.url_of("gateway"),
        "KONCI_TRACES": str(stack.folder("traces")),
        "KONCI_KEY_CACHE_SECONDS": f"{stack.key_cache_seconds:g}",
        "PYTHONUNBUFFERED": "1",
        # Buffers are taken and given up with every read from a socket (ADR 16). Where the library is not there, the
        # dynamic linker says so in the log and goes on without.
        "LD_PRELOAD": "libjemalloc.so.2",
        "MALLOC_CONF": _ALLOCATOR,
    }
    if service == "auth":
        others = ("tenant_data", "audit", "recording_storage")
        own["MALLOC_CONF"] += ",thp:always"  # Argon2id's 64 MiB in huge pages: a hash takes three quarters of the time
        own["KONCI_KEY_GRACE_SECONDS"] = f"{stack.key_grace_seconds:g}"
        own["KONCI_OPENAPI_OF"] = ",".join(f"{stack.url_of(name)}/v1/openapi/{name}.json" for name in others)
    if service == "recording_storage":
        own["KONCI_TENANT_DATA"] = stack.url_of("tenant_data")
        for zone in ("a", "b"):
            own[f"KONCI_ZONE_{zone.upper()}"] = str(stack.folder("recordings") / zone)
    return own | ({"KONCI_OTLP": stack.otlp} if stack.otlp else {})


async def migrate(stack: Stack, service: str) -> None:
    """Bring a service's tables to its migrations, as a user of ten minutes. Raises StackError with the reason."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        service,
        "migrate",
        env={"PATH": path, "LANG": "C.UTF-8", "TZ": "UTC", **environment(stack, service, identity="migrator")},
        cwd=stack.run,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    log = stack.log(f"{service}-migrate")
    log.write_bytes(output)
    if process.returncode:
        said = output.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        message = f"the migrations of {service} failed ({said[-1][:300]}): see {log}"
        raise StackError(message)
    configured.note(stack, f"{service}-migrate")


async def _ready(stack: Stack, service: str) -> None:
    try:
        async with bao.client(stack, base_url=stack.url_of(service)) as http:
            answer = await http.get("/readyz", timeout=2.0)
    except (httpx2.TransportError, OSError) as error:
        raise NotReady(f"no answer on port {stack.port_of(service)} ({type(error).__name__})") from error
    if not answer.is_success:
        raise NotReady(f"/readyz says {answer.status_code}")


async def _at_once() -> None:
    """No listener to ask: that it stays up is what supervisord sees."""
