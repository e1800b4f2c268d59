"""What will be done to the platform, and when: worked out from the seed alone, so that a seed repeats a run.

Times are shares of the run's progress, not seconds: another machine does the same things at the same accesses.
"""

import random
from dataclasses import dataclass

VICTIMS = {
    "tenant_data": 5, "audit": 4, "auth": 3, "postgres": 2, "kafka": 2, "envoy": 2, "openbao": 2, "keeper": 1,
    "audit_collector": 2, "recording_storage": 2,
}  # fmt: skip
# Names of `failpoint.POINTS` and of `faults.FAULTS`; the architecture of a run is theirs, its order is made here.
POINTS = (
    "after the commit, before the answer",
    "after the admission of a refusal, before the 404",
    "between claim and send",
    "after Kafka's acknowledgement, before the mark",
    "after audit's insert, before its commit",
    "after audit's commit, before the offset",
)
FAULTS = (
    "consumer stopped", "service stopped", "WAL full", "Kafka's disk full", "audit's tablespace full",
    "OpenBao's audit device full", "Kafka wiped", "clock steps", "rebalance storm", "duplicates", "poison",
    "pools exhausted",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do once the run has come `at` (0 to 1). `turn`: at which call a failpoint strikes."""

    at: float
    name: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each."""

    accesses: int | None = 100_000  # None: the minutes decide
    minutes: float | None = None
    kills: int = 200
    hits: int = 8  # of each failpoint
    stop_seconds: float = 60.0
    joins: int = 20
    storm_seconds: float = 60.0
    duplicates: int = 1_000
    poison: int = 50
    beside_poison: int = 9_950
    full_seconds: float = 10.0

    @classmethod
    def cut(cls, minutes: float) -> "Sizes":
        """Every kind of fault once, in little time."""
        return cls(
            accesses=None, minutes=minutes, kills=round(5 * minutes), hits=1, stop_seconds=12.0, joins=5,
            storm_seconds=12.0, duplicates=200, poison=10, beside_poison=1_990, full_seconds=3.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    sizes: Sizes
    kills: tuple[Deed, ...]
    failpoints: tuple[Deed, ...]
    faults: tuple[Deed, ...]


def make(seed: int, sizes: Sizes) -> Plan:
    """The plan of a seed. The same arguments give the same plan, whatever the machine."""
    chance = random.Random(f"soak {seed}")
    victims = chance.choices(list(VICTIMS), list(VICTIMS.values()), k=sizes.kills)
    # Each once at least, if there is room: a victim that was never hit proves nothing.
    places = chance.sample(range(sizes.kills), k=min(sizes.kills, len(VICTIMS)))
    for place, victim in zip(places, VICTIMS, strict=False):
        victims[place] = victim
    kills = tuple(Deed((place + chance.random()) / sizes.kills * 0.97, victim) for place, victim in enumerate(victims))
    points = [(point, chance.randint(1, 12)) for point in POINTS for _ in range(sizes.hits)]
    chance.shuffle(points)
    failpoints = tuple(
        Deed((place + 0.1) / len(points) * 0.95, point, turn) for place, (point, turn) in enumerate(points)
    )
    names = list(FAULTS)
    chance.shuffle(names)
    faults = tuple(Deed((place + 0.2) / len(names) * 0.95, name) for place, name in enumerate(names))
    return Plan(seed, sizes, kills, failpoints, faults)
