"""Runs a service that kills itself at a named point: `python failpoint.py POINT TURN HITS tenant_data serve`.

The service is the real one, started further; no hook for this exists in it. What is wrapped here is named in full.
"""

import functools
import importlib
import inspect
import os
import runpy
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """Where a service is struck: around which function, on which side of it, and which of its calls count."""

    service: str
    module: str
    name: str  # of a function, or Class.method
    side: str = "after"
    counts: Callable[[tuple[Any, ...], Any], bool] = lambda _arguments, _result: True


POINTS = {
    "after the commit, before the answer": Point("tenant_data", "guard.access", "Entry._committed", "before"),
    "after the admission of a refusal, before the 404": Point("tenant_data", "guard.access", "Entry.refuse"),
    "between claim and send": Point(
        "tenant_data", "guard.outbox", "Relay._claim", counts=lambda _arguments, rows: bool(rows)
    ),
    # The mark of an access event is the deletion that audit's confirmation brings: none of it has come yet.
    "after Kafka's acknowledgement, before the mark": Point("tenant_data", "guard.outbox", "_hand_over"),
    "after audit's insert, before its commit": Point("audit", "audit.store", "insert_events"),
    "after audit's commit, before the offset": Point(
        "audit", "guard.inbox", "Consumer._handle", counts=lambda arguments, _: arguments[0]._purpose == "accesses"
    ),
}


def arm(point: Point, turn: int, strike: Callable[[], None]) -> None:
    """Wraps the point's function: `strike` is called at its `turn`-th call that counts. Fails when it is not there."""
    owner: Any = importlib.import_module(point.module)
    *holders, name = point.name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    original = getattr(owner, name)
    calls = 0

    def called(arguments: tuple[Any, ...], result: Any) -> None:
        nonlocal calls
        if point.counts(arguments, result):
            calls += 1
            if calls == turn:
                strike()

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def waited(*arguments: Any, **options: Any) -> Any:
            if point.side == "before":
                called(arguments, None)
            result = await original(*arguments, **options)
            if point.side == "after":
                called(arguments, result)
            return result

        setattr(owner, name, waited)
        return

    @functools.wraps(original)
    def direct(*arguments: Any, **options: Any) -> Any:
        if point.side == "before":
            called(arguments, None)
        result = original(*arguments, **options)
        if point.side == "after":
            called(arguments, result)
        return result

    setattr(owner, name, direct)


def launch(point: Point, name: str, turn: int, hits: str, service: str, *verb: str) -> None:
    """Runs `service`, which ends at the `turn`-th call of the point and writes `name` into the file `hits` before."""

    def strike() -> None:
        # Written before the end, and by one system call: what is killed closes no file.
        file = os.open(hits, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    arm(point, turn, strike)
    run(service, *verb)


def run(service: str, *verb: str) -> None:
    """Runs `service` in this process, as `python -m` would."""
    sys.argv = [service, *verb]
    runpy.run_module(service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _name, _turn, _hits, *_rest = sys.argv[1:]
    launch(POINTS[_name], _name, int(_turn), _hits, *_rest)
