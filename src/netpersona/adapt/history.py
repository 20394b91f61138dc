"""Looking back over samples, oldest first. Times are seconds since the epoch on one clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from netpersona.kinds.measured import Measured, Sample

History = Sequence[Sample]
Value = Callable[[Measured], float | None]
_SLACK_S = 1e-3
"""Intervals are cut by timers: one that is a millisecond short is whole."""


def fault(history: History, stale_after_s: float, now_s: float) -> str | None:
    """Why nothing can be decided by these samples; None: they are fit."""
    if not history:
        return "nothing has been measured"
    age_s = now_s - history[-1].at_s
    if age_s > stale_after_s:
        return f"the newest measurement is {age_s:.1f}s old, more than {stale_after_s:g}s"
    if age_s < -stale_after_s:
        return f"the newest measurement is {-age_s:.1f}s ahead of the clock"
    return None


def throughout(history: History, span_s: float, gap_s: float, holds: Callable[[Measured], bool]) -> bool:
    """Whether it holds of every sample of the last `span_s`, and these leave no gap longer than `gap_s`.

    False where the samples do not reach back so far.
    """
    end_s, later_s = history[-1].at_s, history[-1].at_s
    for sample in reversed(history):
        if later_s - sample.at_s > gap_s or not holds(sample.measured):
            return False
        if sample.begins_s <= end_s - span_s + _SLACK_S:
            return True
        later_s = sample.begins_s
    return False


def mean(history: History, value: Value, begin_s: float, end_s: float) -> float | None:
    """Average over samples that lie wholly between; None where none of them measured it."""
    inside = (s for s in history if s.begins_s >= begin_s - _SLACK_S and s.at_s <= end_s + _SLACK_S)
    found = [measured for sample in inside if (measured := value(sample.measured)) is not None]
    return fmean(found) if found else None
