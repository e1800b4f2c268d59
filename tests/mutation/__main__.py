"""The gate from a terminal: which mutants, and the exit code that a build goes by."""

import argparse
import os
import random
import signal
import sys
from datetime import UTC, datetime

from mutation.gate import Gate
from mutation.mutant import Broken, Mutant, load, mutated
from mutation.stand import NotUp, log
from mutation.twin import REPO
from support.machine import PORT
from support.standing import NoStack

_BESIDE = 60  # of its ports, beyond those of a test stack, which may stand meanwhile


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mutation",
        description="Switches our own safeguards off, one at a time, in a copy of the tree: the suite must turn red.",
        epilog="example: PYTHONPATH=tests .venv/bin/python -m mutation --sample 10; exits 0 when all are killed, 1 when"
        " one lives or no longer fits its text, 2 on wrong use or when the stack does not come up",
    )
    parser.add_argument("--sample", type=int, metavar="N", help="a seeded choice of N; over days all are seen")
    parser.add_argument("--seed", type=int, help="of the choice; by default the date")
    parser.add_argument("--only", action="append", metavar="NAME", help="this one; may be given again")
    parser.add_argument("--list", action="store_true", help="name them and start nothing")
    return parser.parse_args()


def _chosen(asked: argparse.Namespace, mutants: list[Mutant]) -> list[Mutant]:
    if asked.only:
        unknown = sorted(set(asked.only) - {mutant.name for mutant in mutants})
        if unknown:
            sys.exit(_wrong(f"there is no mutant {unknown[0]}: --list names them"))
        return [mutant for mutant in mutants if mutant.name in asked.only]
    if asked.sample is None:
        return mutants
    if asked.sample < 1:
        sys.exit(_wrong("a sample has one mutant or more"))
    seed = asked.seed if asked.seed is not None else int(datetime.now(UTC).strftime("%Y%m%d"))
    log(f"a sample of {asked.sample} from {len(mutants)} mutants, seed {seed}")
    drawn = random.Random(seed).sample(mutants, min(asked.sample, len(mutants)))
    return [mutant for mutant in mutants if mutant in drawn]


def _wrong(text: str) -> int:
    sys.stderr.write(f"mutation: {text}\n")
    return 2


def _fit(mutants: list[Mutant]) -> bool:
    """Whether every mutant finds its text: also those that a sample leaves out."""
    fits = True
    for mutant in mutants:
        try:
            mutated(mutant.edits, REPO)
        except Broken as broken:
            log(f"BROKEN {mutant.name}: {broken}")
            fits = False
    return fits


def main() -> int:
    asked = _asked()
    try:
        mutants = load()
    except Broken as broken:
        log(f"BROKEN {broken}")
        return 1
    if asked.list:
        for mutant in mutants:
            log(f"{mutant.control}  {mutant.name}: {mutant.safeguard}")
        log(f"{len(mutants)} mutants")
        return 0
    if not _fit(mutants):
        return 1
    port = int(os.environ.get("KONCI_TEST_PORT", str(PORT))) + _BESIDE
    try:
        return 0 if Gate(_chosen(asked, mutants), port).run() else 1
    except (NotUp, NoStack) as away:
        return _wrong(f"{away}: see .mutants/tree/.run-test/log")
    except KeyboardInterrupt:
        return _wrong("stopped; everything it started has ended")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
