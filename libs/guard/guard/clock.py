"""The one clock of domain time: UTC and injected, so that tests move it (invariant 13)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """The machine's time plus `shift`; tests set `shift`, nothing else does."""

    shift: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.now(UTC) + self.shift
