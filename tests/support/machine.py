"""The stack under test: its own run folder and ports, brought up by the same command as anybody's."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.settings import REPO, Stack
from stack.supervision import Supervisor

KONCI = Path(sys.executable).parent / "konci"
RUN = REPO / ".run-test"
PORT = 18_443


def settings() -> Stack:
    """The stack that `KONCI_TEST_RUN`/`KONCI_TEST_PORT` name, by default one beside a running `.run`."""
    return Stack(
        run=Path(os.environ.get("KONCI_TEST_RUN", str(RUN))),
        port=int(os.environ.get("KONCI_TEST_PORT", str(PORT))),
        key_cache_seconds=2.0,
    )


@dataclass(frozen=True)
class Machine:
    """A running stack, with the hands to break it. Ends only processes that its own supervisor started."""

    stack: Stack

    @property
    def run(self) -> Path:
        return self.stack.run

    def port_of(self, name: str) -> int:
        return self.stack.port_of(name)

    def url_of(self, name: str) -> str:
        return self.stack.url_of(name)

    def konci(self, *arguments: str, check: bool = True, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(KONCI), *arguments],
            env={**os.environ, **self.stack.environment()},
            stdin=subprocess.DEVNULL,  # nobody is there to be asked
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"konci {' '.join(arguments)} ended {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def supervisor(self, *arguments: str) -> str:
        control = Path(sys.executable).parent / "supervisorctl"
        done = subprocess.run(
            [str(control), "-c", str(self.run / "supervisord.conf"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def pid(self, program: str) -> int:
        """0 when it does not run."""
        return int(Supervisor(self.stack).info(program)["pid"])

    def kill(self, program: str) -> bool:
        """`kill -9` of one process; supervisor starts it again. Whether there was one."""
        pid = self.pid(program)
        if pid > 0:
            os.kill(pid, signal.SIGKILL)
        return pid > 0

    def stop(self, program: str) -> None:
        self.supervisor("stop", program)

    def start(self, program: str) -> None:
        self.supervisor("start", program)

    def log(self, program: str) -> str:
        return self.stack.log(program).read_text(encoding="utf-8", errors="replace")

    def up(self) -> None:
        self.konci("up")

    def status(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.konci("status", "--json", check=False).stdout)
        return answer


def wait_until(holds: Callable[[], bool], *, within: float, every: float = 0.1, what: str = "it") -> float:
    """Seconds until `holds()`; fails when they are more than `within`."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        if holds():
            return time.monotonic() - began
        time.sleep(every)
    raise AssertionError(f"{what} did not come about within {within:g} s")
