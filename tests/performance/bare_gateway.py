"""A second gateway with everything that the first one has, and a bare server where it has recording_storage.

The same program, configuration, certificates, tokens and limits: what differs is behind it, and nothing else.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from performance.bare_audio import PLAYED
from performance.source import Source
from stack import envoy, private_file
from stack.envoy import Limits
from stack.settings import REPO, Stack
from support.hotel import Hotel
from support.machine import Machine
from support.workload import bare_context

SERVER, GATEWAY, ADMIN = 43, 44, 45  # ports, beyond the stack's own
_CLUSTERS = frozenset({"recording_storage", "recording_uploads"})
_PATIENCE = 20.0  # seconds until it answers


@dataclass(frozen=True)
class Bare:
    """Both, while they run."""

    port: int
    server_pid: int
    gateway_pid: int
    folder: Path

    def clear(self) -> None:
        """Removes what was uploaded to it."""
        for path in self.folder.glob("sunk-*"):
            path.unlink()


def configuration(stack: Stack, limits: Limits) -> dict[str, Any]:
    """The gateway's own, on other ports, with its own access log, and the bare server behind the two audio clusters."""
    bootstrap = envoy.configuration(stack, limits)
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = stack.port + ADMIN
    [listener] = bootstrap["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = stack.port + GATEWAY
    manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
    [access_log] = manager["access_log"]
    access_log["typed_config"]["path"] = str(stack.log("bare-gateway-access"))
    behind = [one for one in bootstrap["static_resources"]["clusters"] if one["name"] in _CLUSTERS]
    assert {one["name"] for one in behind} == _CLUSTERS
    for cluster in behind:
        [place] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        place["endpoint"]["address"]["socket_address"]["port_value"] = stack.port + SERVER
    return bootstrap


@asynccontextmanager
async def bare(stack: Machine, hotel: Hotel, played: Source) -> AsyncIterator[Bare]:
    """Both, until the block ends; the server plays this source."""
    folder = private_file.folder(stack.run / "bare-audio")
    with (folder / PLAYED).open("wb") as file:
        file.writelines(played.pieces())
        os.fsync(file.fileno())
    with ExitStack() as running:
        server = _run(
            running,
            stack,
            [sys.executable, "-m", "performance.bare_audio", str(stack.stack.port + SERVER), str(folder)],
        )
        gateway = _run(running, stack, _envoy(stack, folder))
        await _answers(stack, hotel)
        found = Bare(stack.stack.port + GATEWAY, server.pid, gateway.pid, folder)
        running.callback((folder / PLAYED).unlink)
        running.callback(found.clear)
        yield found


def _envoy(stack: Machine, folder: Path) -> list[str]:
    bootstrap = folder / "envoy.json"
    private_file.write_if_changed(bootstrap, json.dumps(configuration(stack.stack, Limits.here())))
    command = envoy.program(stack.stack).command
    at = command.index("-c") + 1
    return [*command[:at], str(bootstrap), *command[at + 1 :]]


def _run(running: ExitStack, stack: Machine, command: list[str]) -> "subprocess.Popen[bytes]":
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPO / "tests"),
        "KONCI_BENCH_RUN": str(stack.run), "KONCI_BENCH_PORT": str(stack.stack.port),
    }  # fmt: skip
    with (stack.run / "log" / "bare-audio.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    running.callback(process.wait, 20)
    running.callback(process.terminate)
    return process


async def _answers(stack: Machine, hotel: Hotel) -> None:
    url = f"https://localhost:{stack.stack.port + GATEWAY}/v1/recordings/{hotel.client_id}/audio"
    async with asyncio.timeout(_PATIENCE), httpx2.AsyncClient(verify=bare_context(stack), trust_env=False) as http:
        while True:
            try:
                answer = await http.get(url, headers={"Authorization": f"Bearer {hotel.agent.token}"})
                if answer.status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.2)
