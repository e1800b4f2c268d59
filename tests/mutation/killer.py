"""The tests that must notice: run in the twin, and what they said."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree as ET

from mutation.twin import Twin

_PATIENCE = 300.0  # seconds for the killers of one mutant; no test of ours takes so long
_PATIENCE_FOR_ALL = 3600.0
# An attack test says LEAK first, whatever else it says: one that begins so saw nothing go through, it failed by itself.
_OWN_FAULT = re.compile(r"(?:\w+: )?BROKEN PROBE\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run of tests ended. `failed` ran and failed; `broken` could not be run, or could not attack."""

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
        """Whether a test ran and failed: not a fixture, not an import, not a wrong name, not its own control alone."""
        return self.status == 1 and bool(self.failed)

    def told(self) -> str:
        """The first thing that was red, in one line."""
        for test, why in (*self.failed, *self.broken):
            return f"{test}: {why}"
        return self.tail or f"pytest ended {self.status}"


class Killers:
    """Runs tests in the twin, on its standing stack; a process of its own from `with` to the block's end."""

    def __init__(self, twin: Twin, port: int) -> None:
        self._twin = twin
        self._port = port

    def __enter__(self) -> Self:
        self._nursery = subprocess.Popen(
            [str(self._twin.python), str(Path("tests") / "mutation" / "nursery.py")],
            cwd=self._twin.folder,
            env=self._twin.environment(
                KONCI_TEST_PORT=str(self._port), KONCI_TEST_AS_IT_IS="1", KONCI_TEST_KEEP="1", PYTHONUNBUFFERED="1"
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._nursery.terminate()
        self._nursery.communicate()

    def each(self, tests: Sequence[str]) -> list[Verdict]:
        """What each says by itself, in their order."""
        return [self.run([test]) for test in tests]

    def run(self, tests: Sequence[str], *, every: bool = False) -> Verdict:
        """Up to the first that fails, unless `every`."""
        result, output = (self._twin.folder.with_name(name) for name in ("junit.xml", "pytest.txt"))
        result.unlink(missing_ok=True)
        # A pytest plugin among the modules that the nursery has loaded is not rewritten: nothing of ours asserts in it.
        spared = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"
        options = [
            "-W",
            spared,
            "-q",
            "-p",
            "no:cacheprovider",
            "--tb=short",
            f"--junitxml={result}",
            *([] if every else ["-x"]),
        ]
        seconds = _PATIENCE_FOR_ALL if every else _PATIENCE
        asked = {"arguments": [*options, *tests], "output": str(output), "seconds": seconds}
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{json.dumps(asked)}\n")
        self._nursery.stdin.flush()
        answer = self._nursery.stdout.readline()
        status: int | None = json.loads(answer) if answer else None
        said = output.read_text(encoding="utf-8", errors="replace") if status is not None else "it did not end"
        lines = [line for line in said.strip().splitlines() if line.strip()]
        return Verdict(status, *read(result), lines[-1] if lines else "")


def read(result: Path) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """The `failed` and the `broken` of a run, from its result as JUnit's XML."""
    failures = _found(result, "failure")
    own_faults = tuple(one for one in failures if _OWN_FAULT.match(one[1]))
    return tuple(one for one in failures if one not in own_faults), (*_found(result, "error"), *own_faults)


def _found(result: Path, kind: str) -> tuple[tuple[str, str], ...]:
    if not result.exists():
        return ()
    return tuple(
        (
            _named(case.get("classname", "").split("."), case.get("name", "")),
            " ".join(str(found.get("message", "")).split())[:200],
        )
        for case in ET.parse(result).iter("testcase")  # noqa: S314 - our own pytest has just written it
        if (found := case.find(kind)) is not None
    )


def _named(path: Sequence[str], test: str) -> str:
    """The test as pytest would be told it; the class, if there is one, comes after the file."""
    file = [part for part in path if not part.startswith("Test")]
    return "::".join([f"{'/'.join(file)}.py", *path[len(file) :], test])
