"""Further copies of real services beside the supervised ones: on a port of their own, ended with the harness."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack import services
from support.machine import Machine
from support.workload import workload

_OFFSET = 40  # of the first port, beyond the stack's own
_READY = 90.0  # seconds; a start on a busy machine


@dataclass
class Instance:
    """One copy of a service. `launcher` is what Python runs (default: the service's own module)."""

    stack: Machine
    service: str
    place: int | None  # which of the ports for copies; None: the service's own, which is stopped meanwhile
    launcher: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    room: Sequence[str] = ()  # what the kernel shows it otherwise than us: `unshare …`
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        if self.place is None:
            return self.stack.port_of(self.service)
        return self.stack.stack.port + _OFFSET + self.place

    def start(self) -> None:
        told = {
            **services.environment(self.stack.stack, self.service),
            "KONCI_LISTEN_PORT": str(self.port),
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            **self.environment,
        }
        what = [*self.launcher, self.service] if self.launcher else ["-m", self.service]
        # The kernel ends it with the harness, however that ends.
        command = [*self.room, "setpriv", "--pdeathsig", "KILL", "--", sys.executable, *what, "serve"]
        with (self.stack.run / "log" / f"soak-{self.service}-{self.place}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=told, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def was_killed(self) -> bool:
        return self.process is not None and self.process.poll() == -signal.SIGKILL

    async def ready(self, within: float = _READY) -> bool:
        """Whether it serves within so many seconds; False when it ended first."""
        async with workload(self.stack, "gateway", self.service) as http, asyncio.timeout(within):
            http.base_url = f"https://127.0.0.1:{self.port}"
            while self.is_alive:
                try:
                    if (await http.get("/readyz", timeout=5)).is_success:
                        return True
                except OSError:
                    pass
                except Exception as away:
                    if type(away).__module__.partition(".")[0] != "httpx2":
                        raise
                await asyncio.sleep(0.2)
        return False

    async def end(self) -> None:
        """Stops it, politely and then for good."""
        process = self.process
        if process is None:
            return
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    await asyncio.to_thread(process.wait, seconds)
                except subprocess.TimeoutExpired:
                    continue


def failing(stack: Machine, service: str, place: int, *, point: str, turn: int, hits: Path) -> Instance:
    """A copy that kills itself at `point`."""
    launcher = Path(__file__).with_name("failpoint.py")
    return Instance(stack, service, place, (str(launcher), point, str(turn), str(hits)))
