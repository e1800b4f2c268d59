"""Judges from outside: `python -m judges [NAME...]`, all when none is named. Exit 0 green, 1 found, 2 not judged.

One that needs a stack uses the test stack, which is brought up once and stopped unless KONCI_TEST_KEEP is set.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from judges import api, code, dependencies, rls, tls, vectors
from judges.verdict import CannotJudge, Verdict
from support import standing
from support.machine import Machine, settings
from support.standing import NoStack

ALONE: dict[str, Callable[[], Verdict]] = {
    "vectors": vectors.judge,
    "code": code.judge,
    "dependencies": dependencies.judge,
}
# The API last: it signs many people in, and leaves wrong passwords behind.
ON_A_STACK: dict[str, Callable[[Machine], Verdict]] = {"tls": tls.judge, "rls": rls.judge, "api": api.judge}


def main(arguments: Sequence[str]) -> int:
    """Judges in order, and the worst of the exit codes."""
    parser = argparse.ArgumentParser(
        prog="judges", description=__doc__, epilog="Example: PYTHONPATH=tests .venv/bin/python -m judges tls rls"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join([*ALONE, *ON_A_STACK])}")
    names = parser.parse_args(arguments).names or [*ALONE, *ON_A_STACK]
    unknown = [name for name in names if name not in ALONE | ON_A_STACK]
    if unknown:
        parser.error(f"there is no judge {unknown[0]}")
    codes = [_judged(name, judge) for name, judge in ALONE.items() if name in names]
    on_stack = {name: judge for name, judge in ON_A_STACK.items() if name in names}
    return max([*codes, *_on_a_stack(on_stack)])


def _on_a_stack(judges: dict[str, Callable[[Machine], Verdict]]) -> list[int]:
    if not judges:
        return []
    machine = Machine(settings())
    try:
        print(f"judges: bringing up the stack in {machine.run.name}", flush=True)
        standing.bring_up(machine)
        return [_judged(name, judge, machine) for name, judge in judges.items()]
    except NoStack as reason:
        print(f"judges: NOT JUDGED: {reason}", flush=True)
        return [2]
    finally:
        if not os.environ.get("KONCI_TEST_KEEP"):
            machine.konci("down", check=False)


def _judged(name: str, judge: Callable[..., Verdict], *machine: Machine) -> int:
    began = time.monotonic()
    try:
        with standing.needed("what it needs was not to be had"):
            verdict = judge(*machine)
    except (CannotJudge, NoStack) as cannot:
        print(f"{name}: NOT JUDGED: {cannot}", flush=True)
        return 2
    verdict.show()
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return verdict.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
