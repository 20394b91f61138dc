"""A line of a verification, and its three verdicts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netpersona.agent.verify.estimates import Estimate

Verdict = Literal["yes", "no", "too few"]
"""`too few`: the interval covers what was asked, and half or twice of it too: more probes are needed."""


@dataclass(frozen=True)
class Row:
    """`verdict` is None where nothing was asked, or where no number of probes could tell."""

    direction: str
    quantity: str
    requested: float | str | None
    achieved: float | str | None
    low: float | None
    high: float | None
    unit: str
    verdict: Verdict | None

    def document(self) -> dict[str, Any]:
        """As the manager takes it."""
        holds = {"yes": True, "no": False}.get(self.verdict or "")
        return {**vars(self), "holds": holds}


@dataclass(frozen=True)
class Slack:
    """What an achieved value may differ by from what was asked; `coarse`: widest useful interval around 0."""

    below: float = 0.0
    above: float = 0.0
    coarse: float = 0.0


def verdict(found: Estimate | None, wanted: float, slack: Slack) -> Verdict | None:
    """Yes only if half and twice of what was asked would have been a no."""
    if found is None:
        return "too few"
    if not found.covers(wanted, below=slack.below, above=slack.above):
        return "no"
    if not wanted:
        return "yes" if found.high <= slack.coarse else "too few"
    if not _is_sharp(Estimate(wanted, wanted, wanted), wanted, slack):
        return None
    return "yes" if _is_sharp(found, wanted, slack) else "too few"


def _is_sharp(found: Estimate, wanted: float, slack: Slack) -> bool:
    return not any(
        found.covers(other, below=slack.below, above=slack.above) for other in (wanted / 2, 2 * wanted)
    )


def row(
    direction: str,
    quantity: str,
    wanted: float,
    found: Estimate | None,
    decided: Verdict | None,
    *,
    unit: str = "",
    scale: float = 1.0,
) -> Row:
    """`scale`: how many of what `wanted` and `found` are in make one `unit`."""
    if found is None:
        return Row(direction, quantity, wanted / scale, None, None, None, unit, decided)
    value, low, high = found.value / scale, found.low / scale, found.high / scale
    return Row(direction, quantity, wanted / scale, value, low, high, unit, decided)
