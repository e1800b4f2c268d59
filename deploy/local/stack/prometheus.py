"""Prometheus as a local process: scrapes every part of the stack and evaluates deploy/prometheus/rules.yml (07.1).

It listens on loopback, and must never be given a right beyond reading metrics: its certificate opens nothing else.
"""

import os
from string import Template

import httpx2

from stack import configured, private_file
from stack.program import NotReady, Program
from stack.settings import SERVICES, Stack, tool


def prepare(stack: Stack) -> None:
    """Write the configuration and the rules. Idempotent; never touches what was measured."""
    folder = private_file.folder(stack.folder("prometheus"))
    values = {
        "rules": folder / "rules.yml",
        "ca": stack.ca,
        "identity": stack.identity("prometheus") / "identity.pem",
        "port": stack.port_of("prometheus"),
        "admin_port": stack.port_of("envoy_admin"),
        "traces_port": stack.port_of("traces"),
        "openbao_port": stack.port_of("openbao"),
        "cert_ttl": stack.cert_ttl,
        **{f"{service}_port": stack.port_of(service) for service in SERVICES},
    }
    for name in ("prometheus.yml", "rules.yml"):
        template = Template((stack.repo / "deploy" / "prometheus" / name).read_text())
        private_file.write_if_changed(folder / name, template.substitute(values))
    configured.note(stack, "prometheus")


def program(stack: Stack) -> Program:
    """Debian's Prometheus: two weeks or a gigabyte of measurements, whichever is less."""
    folder = stack.folder("prometheus")
    return Program(
        name="prometheus",
        command=[
            tool("prometheus", hint="install `prometheus`"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=14d",
            "--storage.tsdb.retention.size=1GB",
            f"--web.listen-address=127.0.0.1:{stack.port_of('prometheus')}",
            "--log.level=warn",
            "--log.format=json",
        ],
        # Go takes the machine's processors for its own; scraping needs one.
        environment={"GOMAXPROCS": str(min(2, os.cpu_count() or 1))},
        ready=lambda: _ready(stack),
        configuration=(folder / "prometheus.yml", folder / "rules.yml"),
    )


async def _ready(stack: Stack) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=2) as http:
            answer = await http.get(f"http://127.0.0.1:{stack.port_of('prometheus')}/-/ready")
    except httpx2.TransportError as away:
        raise NotReady("Prometheus does not answer yet") from away
    if not answer.is_success:
        raise NotReady("Prometheus is reading what it has stored")
