"""The twin's stack: brought up once, told of each change, taken down at the end. It listens on the loopback only."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mutation.mutant import Change
from mutation.twin import Twin
from stack import keeper, postgres, services
from stack.program import NotReady
from stack.settings import SERVICES, Stack

_READY = 120.0  # seconds for a service that was started anew
_TRIES = 3  # a busy machine is slow to start a broker; `konci up` goes on where it was
_RECONCILE = {
    "policies": "from stack import trust as part",
    "databases": "from stack import databases as part",
}


class NotUp(Exception):
    """The stack, or a part of it, does not come up: one line."""


class Stand:
    """A stack of the twin's code, on ports of its own."""

    def __init__(self, twin: Twin, port: int) -> None:
        self._twin = twin
        self.port = port
        self._stack = Stack(run=twin.run, port=port, repo=twin.folder, key_cache_seconds=2.0)
        self._is_up = False
        self._stale: set[str] = set()

    def up(self) -> None:
        """Starts it unless it runs. Raises NotUp."""
        if self._is_up:
            return
        self._is_up = True
        for _ in range(_TRIES):
            done = self._konci("up")
            if done.returncode == 0:
                return
        raise NotUp(f"the stack does not come up ({(done.stderr or done.stdout).strip().splitlines()[-1]})")

    def down(self) -> None:
        """Stops all of it; a stack that a killed run left behind too."""
        if self._twin.run.exists() and self._twin.python.exists():
            self._konci("down")
        self._is_up = False

    def _konci(self, verb: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self._twin.python.with_name("konci")), verb],
            env=self._twin.environment(**self._stack.environment()),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def show(self, touched: Iterable[str]) -> None:
        """Has the parts that are `touched` see the tree as it is now, and those that saw another before."""
        touched = set(touched)
        wanted = self._stale | touched
        self._stale = wanted
        for part, load in _RECONCILE.items():
            if part in wanted:
                self._reconcile(part, load)
        restarted = [name for name in (*SERVICES, "keeper") if name in wanted]
        if restarted:
            self._restart(restarted)
        # Whatever started beside a mutant may have loaded it, also what only saw the one before.
        self._stale = {*touched, *restarted} if touched else set()

    def settle(self, touched: Iterable[str]) -> None:
        """Before the next one is written: the keeper as it should be takes away the rules that a mutant of it made."""
        if "keeper" in self._stale & set(touched):
            self.show(())

    def _reconcile(self, part: str, load: str) -> None:
        code = f"import asyncio; {load}; from stack.settings import Stack; asyncio.run(part.reconcile(Stack.here()))"
        for _ in range(_TRIES):  # beside running relays, the `guard` schema may meet a deadlock
            done = subprocess.run(
                [str(self._twin.python), "-c", code],
                env=self._twin.environment(**self._stack.environment()),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if done.returncode == 0:
                return
        raise NotUp(f"{part} are not taken: {done.stderr.strip().splitlines()[-1]}")

    def _restart(self, names: list[str]) -> None:
        # Told to stop, not killed: a killed consumer keeps its partitions for ten seconds.
        control = str(self._twin.python.with_name("supervisorctl"))
        subprocess.run(
            [control, "-c", str(self._twin.run / "supervisord.conf"), "restart", *names],
            capture_output=True,
            timeout=120,
            check=False,
        )
        asyncio.run(self._await(names))

    async def _await(self, names: list[str]) -> None:
        end = time.monotonic() + _READY
        for name in names:
            ready = keeper.program(self._stack).ready if name == "keeper" else services.program(self._stack, name).ready
            while True:
                try:
                    await ready()
                except NotReady as missing:
                    if time.monotonic() > end:
                        raise NotUp(f"{name} does not come up with it ({missing})") from missing
                    await asyncio.sleep(0.2)
                else:
                    break

    @contextmanager
    def with_changes(self, changes: Iterable[Change]) -> Iterator[None]:
        """The databases are as the changes make them inside the block; each is undone after it."""
        done: list[Change] = []
        try:
            for change in changes:
                done.append(change)
                asyncio.run(self._execute(change.database, change.do))
            yield
        finally:
            for change in reversed(done):
                asyncio.run(self._execute(change.database, change.undo))

    async def _execute(self, database: str, statement: str) -> None:
        connection = await postgres.superuser(self._stack, database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def log(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
