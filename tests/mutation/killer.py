"""The tests that must notice: run in the twin, and what they said."""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from mutation.twin import Twin

_PATIENCE = 600.0  # seconds for the killers of one mutant; no test of ours takes so long


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run of tests ended. `failed` are tests that ran and failed, `broken` those that could not be run."""

    status: int | None  # None: it did not end
    failed: tuple[tuple[str, str], ...]  # test, first line of why
    broken: tuple[tuple[str, str], ...]
    tail: str

    @property
    def is_green(self) -> bool:
        """Whether every test passed."""
        return self.status == 0

    @property
    def is_noticed(self) -> bool:
        """Whether a test ran and failed: not a fixture, not an import, not a wrong name."""
        return self.status == 1 and bool(self.failed)

    def told(self) -> str:
        """The first thing that was red, in one line."""
        for test, why in (*self.failed, *self.broken):
            return f"{test}: {why}"
        return self.tail or f"pytest ended {self.status}"


def run(twin: Twin, port: int, tests: Sequence[str], *, every: bool = False) -> Verdict:
    """Runs `tests` in the twin, on its standing stack; up to the first that fails, unless `every`."""
    result = twin.folder / "junit.xml"
    result.unlink(missing_ok=True)
    command = [str(twin.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={result}"]
    environment = twin.environment(KONCI_TEST_PORT=str(port), KONCI_TEST_STANDING="1", KONCI_TEST_KEEP="1")
    process = subprocess.Popen(
        [*command, *([] if every else ["-x"]), *tests],
        cwd=twin.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=_PATIENCE * (3 if every else 1))
        status: int | None = process.returncode
    except subprocess.TimeoutExpired:
        status, said = None, "it did not end"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return Verdict(status, _read(result, "failure"), _read(result, "error"), lines[-1] if lines else "")


def _read(result: Path, kind: str) -> tuple[tuple[str, str], ...]:
    if not result.exists():
        return ()
    return tuple(
        (
            f"{case.get('classname', '').replace('.', '/')}::{case.get('name')}",
            " ".join(str(found.get("message", "")).split())[:200],
        )
        for case in ET.parse(result).iter("testcase")  # noqa: S314 - the same
        if (found := case.find(kind)) is not None
    )
