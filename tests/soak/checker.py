"""The client's ledger against the access log, both ways: nothing missing, doubled, untrue or invented (04.4).

Pure: it is given attempts and entries and asks nobody. What it cannot explain, it reports; it never assumes.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from soak.account import Account, Settling
from soak.entry import Entry
from soak.ledger import Attempt, Resource

_AGENT = re.compile(r"soak/(\d+)")
_SHOWN = 20  # findings of one kind that are told in full
# A commit lies between the sending of a request and its answer, but clocks are read and cut to milliseconds.
_SLACK = 2.0
# A request that nobody answered may still be carried out: the gateway gives a service 15 s, a stopped one longer.
_AFTER = 120.0
_CARRIED = range(200, 400)  # such an answer carried what was asked for; 0 is a record that was put on the bus by hand
_FAILED = 500  # from this status on, an answer does not tell whether the access was committed


@dataclass
class Verdict:
    """What was found. `explained` counts entries by what explains them."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)
    answered: int = 0

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.untrue or self.invented)

    def told(self) -> dict[str, object]:
        found = {name: getattr(self, name) for name in ("lost", "doubled", "untrue", "invented")}
        return {
            **{name: len(lines) for name, lines in found.items()},
            "answered": self.answered,
            "explained": dict(sorted(self.explained.items())),
            "findings": [f"{name}: {line}" for name, lines in found.items() for line in lines[:_SHOWN]],
        }


class Judge:
    """Compares all `attempts`, and what the run's `account` knows beside them, with the log, an entry at a time."""

    def __init__(self, attempts: Mapping[int, Attempt], account: Account) -> None:
        self._attempts = attempts
        by_request = {one.request_id: one.client for one in attempts.values() if one.request_id is not None}
        self._settling = Settling(account, by_request)
        self._verdict = Verdict()
        self._named: dict[str, Attempt] = {}
        self._stored: Counter[str] = Counter()
        self._spent: dict[int, str] = {}
        # What each Idempotency-Key made, by the log and by the answers.
        self._made: defaultdict[str, set[tuple[Resource, ...]]] = defaultdict(set)
        for attempt in attempts.values():
            if attempt.event is None:
                if attempt.status in _CARRIED:
                    self._verdict.lost.append(f"{_said(attempt)} was answered without naming its entry")
                continue
            self._verdict.answered += 1
            if attempt.once is not None and attempt.resources is not None:
                self._made[attempt.once].add(tuple(sorted(attempt.resources)))
            if attempt.event in self._named:
                first = self._named[attempt.event].number
                self._verdict.lost.append(f"{_said(attempt)} was told the event of attempt {first}")
            self._named[attempt.event] = attempt

    def see(self, entry: Entry) -> None:
        """Takes one entry of the log."""
        attempt = self._named.get(entry.event)
        if attempt is not None:
            _stored(self._verdict, attempt, entry, self._stored)
        elif self._settling.knows(entry):
            if self._settling.is_there(entry):
                self._verdict.doubled.append(f"{_shown(entry)} is in the log twice")
                return
            why, wrong = self._settling.explain(entry)
            if wrong:
                self._verdict.invented.append(f"{_shown(entry)}: {wrong}")
            else:
                self._verdict.explained[why] += 1
        else:
            self._unnamed(entry)

    def _unnamed(self, entry: Entry) -> None:
        attempt = _unnamed(self._verdict, self._attempts, entry, self._spent)
        if attempt is not None and attempt.once is not None and entry.outcome == "allowed":
            self._made[attempt.once].add(tuple(sorted(entry.resources)))

    def verdict(self) -> Verdict:
        """What was found, once the whole log was seen."""
        missing = [attempt for event, attempt in self._named.items() if not self._stored[event]]
        self._verdict.lost += [f"{_said(attempt)} is not in the log" for attempt in missing]
        self._verdict.lost += [f"{what} is not in the log" for what in self._settling.missing()]
        self._verdict.doubled += [
            f"one key made {len(made)} different things: {sorted(made)}"
            for made in self._made.values()
            if len(made) > 1
        ]
        return self._verdict


def judge(attempts: Mapping[int, Attempt], entries: Iterable[Entry], account: Account) -> Verdict:
    """The verdict over a whole log."""
    judging = Judge(attempts, account)
    for entry in entries:
        judging.see(entry)
    return judging.verdict()


def _stored(verdict: Verdict, attempt: Attempt, entry: Entry, stored: Counter[str]) -> None:
    stored[entry.event] += 1
    if stored[entry.event] > 1:
        verdict.doubled.append(f"{_said(attempt)} is in the log {stored[entry.event]} times")
        return
    verdict.explained["answered"] += 1
    wrong = [name for name, (told, logged) in _sides(attempt, entry).items() if told is not None and told != logged]
    if wrong:
        sides = _sides(attempt, entry)
        said = "; ".join(f"{name} {sides[name][1]!r} and not {sides[name][0]!r}" for name in wrong)
        verdict.untrue.append(f"{_said(attempt)}: the log says {said}")


def _sides(attempt: Attempt, entry: Entry) -> dict[str, tuple[object, object]]:
    resources = None if attempt.resources is None else sorted(set(attempt.resources))
    return {
        "client": (attempt.client, entry.client),
        "actor": (attempt.actor, entry.actor),
        "action": (attempt.action, entry.action),
        "outcome": (attempt.outcome, entry.outcome),
        "resources": (resources, sorted(set(entry.resources))),
        "request": (attempt.request_id, entry.request_id),
        "attempt": (f"soak/{attempt.number}", entry.user_agent),
    }


def _unnamed(verdict: Verdict, attempts: Mapping[int, Attempt], entry: Entry, spent: dict[int, str]) -> Attempt | None:
    """The attempt behind an entry that no answer named: its answer never came, or was that it failed."""
    told = _AGENT.fullmatch(entry.user_agent)
    attempt = attempts.get(int(told[1])) if told else None
    if attempt is None:
        verdict.invented.append(f"{_shown(entry)}: nobody asked for it")
    elif attempt.event is not None:
        verdict.doubled.append(f"{_shown(entry)}: {_said(attempt)} was answered with another entry")
    elif attempt.number in spent:
        verdict.doubled.append(f"{_shown(entry)}: {_said(attempt)} has the entry {spent[attempt.number]} already")
    elif misfit := _misfit(attempt, entry):
        verdict.invented.append(f"{_shown(entry)}: {_said(attempt)} does not explain it ({misfit})")
    else:
        spent[attempt.number] = entry.event
        verdict.explained["unanswered" if attempt.status is None else f"answered {attempt.status}"] += 1
        return attempt
    return None


def _misfit(attempt: Attempt, entry: Entry) -> str | None:
    if attempt.status is not None and attempt.status < _FAILED:
        return "an answer that names no entry has none"
    sides = _sides(attempt, entry)
    for name in ("client", "actor", "action", "outcome", "request"):
        asked, logged = sides[name]
        if asked is not None and asked != logged:
            return f"{name} {logged!r} and not {asked!r}"
    if attempt.resources is not None and sorted(set(attempt.resources)) != sides["resources"][1]:
        return "other resources"
    end = attempt.ended if attempt.ended is not None else attempt.at
    if not attempt.at - _SLACK - attempt.skew <= entry.at <= end + _AFTER + attempt.skew:
        return "another time"
    return None


def _said(attempt: Attempt) -> str:
    return f"attempt {attempt.number} ({attempt.action} by {attempt.actor}, {attempt.status or attempt.lost})"


def _shown(entry: Entry) -> str:
    return f"entry {entry.event} ({entry.action} by {entry.actor_type} {entry.actor}, {entry.outcome})"
