"""What the client asked for and what it was told: written to a file outside the platform, line by line, as it happens.

The file alone is what the checker believes; nothing is ever rewritten in it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

Resource = tuple[str, str]


@dataclass(slots=True)
class Attempt:
    """One request. `event` is the entry that its answer named; without one it may or may not have been carried out."""

    number: int
    at: float  # seconds since the epoch, the client's clock
    client: str
    actor: str
    action: str
    outcome: str
    resources: tuple[Resource, ...] | None  # None: not known before the answer
    once: str | None = None  # its Idempotency-Key
    skew: float = 0.0  # how far the clock of the process that answers may be off, in seconds
    status: int | None = None
    event: str | None = None
    request_id: str | None = None
    ended: float | None = None
    lost: str | None = None


@dataclass
class Ledger:
    """The file while it grows, and what is counted of it."""

    path: Path
    attempts: int = 0
    events: int = 0
    unanswered: int = 0
    by_status: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb", buffering=1 << 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def asks(
        self, client: str, actor: str, action: str, *, outcome: str = "allowed",
        resources: tuple[Resource, ...] | None = None, once: str | None = None, skew: float = 0.0,
        request_id: str | None = None,
    ) -> int:  # fmt: skip
        """Notes an attempt before it is made; its number, which goes along as the user agent."""
        self.attempts += 1
        asked = [client, actor, action, outcome, resources, once, skew, request_id]
        self._write(["ask", self.attempts, time.time(), *asked])
        return self.attempts

    def told(
        self, number: int, status: int, event: str | None, request_id: str | None,
        resources: tuple[Resource, ...] | None = None,
    ) -> None:  # fmt: skip
        """Notes its answer; `resources` are those that the answer showed."""
        self.by_status[str(status)] = self.by_status.get(str(status), 0) + 1
        if event is not None:
            self.events += 1
        self._write(["told", number, time.time(), status, event, request_id, resources])

    def lost(self, number: int, why: str) -> None:
        """Notes that no answer came."""
        self.unanswered += 1
        self._write(["lost", number, time.time(), why])

    def hears(self, event: str | None) -> None:
        """Notes what an answer named outside the run: while the hotels are founded, or a token is renewed by them."""
        if event is not None:
            self._write(["heard", event])

    def flush(self) -> None:
        self._file.flush()

    def _write(self, line: list[Any]) -> None:
        self._file.write(orjson.dumps(line) + b"\n")


def read(path: Path) -> dict[int, Attempt]:
    """Every attempt of a ledger's file, by number."""
    attempts: dict[int, Attempt] = {}
    for kind, *told in _lines(path):
        if kind == "heard":
            continue
        number, at, *rest = told
        if kind == "ask":
            client, actor, action, outcome, resources, once, skew, request_id = rest
            attempts[number] = Attempt(
                number, at, client, actor, action, outcome, _pairs(resources), once, skew, request_id=request_id
            )
            continue
        attempt = attempts[number]
        attempt.ended = at
        if kind == "lost":
            attempt.lost = rest[0]
            continue
        attempt.status, attempt.event, attempt.request_id, shown = rest
        if shown is not None:
            attempt.resources = _pairs(shown)
    return attempts


def heard(path: Path) -> frozenset[str]:
    """The events of a ledger's file that no attempt of the run stands for."""
    return frozenset(told[0] for kind, *told in _lines(path) if kind == "heard")


def _lines(path: Path) -> Iterator[list[Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _pairs(resources: list[list[str]] | None) -> tuple[Resource, ...] | None:
    return None if resources is None else tuple((kind, name) for kind, name in resources)
