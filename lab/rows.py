"""A measured figure beside its bound and its peer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark's table. Without a bound it is shown for information.

    `within` is the 95 % interval of `value` of an estimate; a bound is missed where all of it is beyond.
    """

    what: str
    value: float
    unit: str
    upper: float | None = None
    lower: float | None = None
    peer: str = ""
    within: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # numpy's scalars do not go into JSON

    @property
    def holds(self) -> bool | None:
        lowest, highest = self.within or (self.value, self.value)
        if self.upper is not None:
            return lowest <= self.upper
        return None if self.lower is None else highest >= self.lower

    @property
    def measured(self) -> str:
        return f"{self.value:.3g} {self.unit}".strip()

    @property
    def bound(self) -> str:
        if self.upper is not None:
            return f"≤ {self.upper:g}"
        return "" if self.lower is None else f"≥ {self.lower:g}"
