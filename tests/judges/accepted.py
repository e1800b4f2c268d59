"""What is known and kept (`accepted.toml`), each by rule and place with a reason. Never a way to hide a new finding."""

import tomllib
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase

from judges.environment import HERE


def weigh(judge: str, found: Iterable[tuple[str, str]], *, by_chance: bool = False) -> tuple[list[str], int]:
    """What of `found` (rule, place) is not accepted, or accepted and not found as often; and how much was accepted.

    An entry's place may be a pattern; without `times` it is for any number above none (`by_chance`: for none too).
    `places` are as many entries, each for one time.
    """
    entries = [
        entry if "place" in entry else {**entry, "place": place, "times": 1}
        for entry in tomllib.loads((HERE / "accepted.toml").read_text()).get(judge, [])
        for place in entry.get("places", [None])
    ]
    unknown: list[str] = []
    met: Counter[int] = Counter()
    for rule, place in sorted(found):
        fits = (number for number, entry in enumerate(entries) if entry["rule"] == rule)
        number = next((number for number in fits if fnmatchcase(place, entries[number]["place"])), None)
        if number is None or not entries[number]["reason"].strip():
            unknown.append(f"{rule} at {place}")
        else:
            met[number] += 1
    for number, entry in enumerate(entries):
        if met[number] != entry.get("times", max(met[number], 0 if by_chance else 1)):
            known = entry.get("times", "some")
            unknown.append(f"{entry['rule']} at {entry['place']}: found {met[number]} times, {known} are known")
    return unknown, met.total()
