"""One figure of the bench: what was measured, what is promised, and whether it is kept. It rounds nothing up."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`value` against `bound`; most are ratios of two things measured in the same run."""

    name: str
    value: float
    bound: float
    how: str
    is_ceiling: bool = False
    unit: str = ""
    series: dict[str, Any] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")  # of a plot of `series`, where the page's own names do not fit
    rest: str = ""  # where the rest goes, as profiles say; told when the promise is missed

    @property
    def is_kept(self) -> bool:
        return self.value <= self.bound if self.is_ceiling else self.value >= self.bound

    @property
    def said(self) -> str:
        sign = "≤" if self.is_ceiling else "≥"
        return f"{self.value:.3g}{self.unit} (promised {sign} {self.bound:g}{self.unit})"
