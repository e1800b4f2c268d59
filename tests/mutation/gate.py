"""One pass of the gate: green without a mutant, red with each, green again at the end; and the report of it.

A mutant counts as killed only when each of its killers, which pass without it, ran and failed with it.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.killer import Killers, Verdict
from mutation.mutant import Broken, Mutant, load, mutated, needs_stack
from mutation.stand import NotUp, Stand, log
from mutation.twin import REPO, Twin
from support import standing, tree

REPORT = REPO / "reports" / "mutants.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant: `killed_by` is None when it lives, and `why` then says what was seen instead."""

    name: str
    safeguard: str
    control: str
    killed_by: str | None
    why: str
    seconds: float
    is_broken: bool = False


class Gate:
    """The chosen mutants against the twin and its stack."""

    def __init__(self, mutants: Sequence[Mutant], port: int) -> None:
        self._mutants = mutants
        self._twin = Twin()
        self._stand = Stand(self._twin, port)
        self._tests = Killers(self._twin, port)
        self._killers = list(dict.fromkeys(test for mutant in mutants for test in mutant.killers))

    def run(self) -> bool:
        """Whether every mutant was killed. Raises NotUp or NoStack when the stack does not come up without one."""
        with standing.needed("the twin cannot be made"):
            self._stand.down()
            self._twin.make()
        try:
            if any(needs_stack(test) for test in self._killers):
                log("the stack starts, on ports of its own")
                with standing.needed("the stack does not come up"):
                    self._stand.up()
            with self._tests:
                return self._judged()
        finally:
            self._stand.down()

    def _judged(self) -> bool:
        began = time.monotonic()
        if not self._is_green("without a mutant"):
            return False
        outcomes = []
        for number, mutant in enumerate(self._mutants, 1):
            outcomes.append(self._outcome(mutant))
            log(f"{number:>3}/{len(self._mutants)} {_line(outcomes[-1])}")
        # What a mutant left behind could have made the next one look killed.
        if any(needs_stack(test) for test in self._killers):
            self._stand.show(())
        is_restored = self._is_green("with every mutant undone")
        killed = sum(outcome.killed_by is not None for outcome in outcomes)
        _write(outcomes, killed)
        for outcome in outcomes:
            if outcome.killed_by is None:
                log(f"ALIVE {outcome.name}: {outcome.safeguard} ({outcome.why})")
        share = 100 * killed / len(outcomes)
        log(f"killed {killed} of {len(outcomes)} ({share:.4g} %) in {time.monotonic() - began:.0f} s: {REPORT}")
        return killed == len(outcomes) and is_restored

    def _is_green(self, when: str) -> bool:
        began = time.monotonic()
        verdict = self._tests.run(self._killers, every=True)
        log(f"{'green' if verdict.is_green else 'RED'} {when}: {len(self._killers)} killers, {_seconds(began):.0f} s")
        for test, why in (*verdict.failed, *verdict.broken):
            log(f"    {test}: {why}")
        if not verdict.is_green:
            log(f"    {verdict.tail}: mend this first, nothing that is red before can notice a mutant")
        return verdict.is_green

    def _outcome(self, mutant: Mutant) -> Outcome:
        began = time.monotonic()
        is_broken = False
        killed_by: str | None = None
        try:
            verdicts = self._verdicts(mutant)
        except Broken as broken:
            why, is_broken = str(broken), True
        except NotUp as away:
            why = str(away)
        else:
            silent = [verdict for verdict in verdicts if not verdict.is_noticed]
            why = (silent or verdicts)[0].told()
            if not silent:
                killed_by = ", ".join(verdict.failed[0][0] for verdict in verdicts)
        seconds = round(_seconds(began), 1)
        return Outcome(mutant.name, mutant.safeguard, mutant.control, killed_by, why, seconds, is_broken)

    def _verdicts(self, mutant: Mutant) -> list[Verdict]:
        texts = mutated(mutant.edits, self._twin.folder)
        self._stand.settle(mutant.touches)
        with self._twin.with_texts(texts):
            if not mutant.needs_stack:
                return self._tests.each(mutant.killers)
            self._stand.show(mutant.touches)
            with self._stand.with_changes(mutant.sql):
                return self._tests.each(mutant.killers)


def _line(outcome: Outcome) -> str:
    if outcome.killed_by is not None:
        return f"killed  {outcome.name} by {outcome.killed_by}, {outcome.seconds:.0f} s"
    return f"{'BROKEN' if outcome.is_broken else 'ALIVE '}  {outcome.name}: {outcome.why}, {outcome.seconds:.0f} s"


def _seconds(began: float) -> float:
    return time.monotonic() - began


def _write(outcomes: Sequence[Outcome], killed: int, report: Path = REPORT) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "commit": tree.commit(),
        "all": len(load()),
        "killed": killed,
        "total": len(outcomes),
        "mutants": [asdict(outcome) for outcome in outcomes],
    }
    report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
