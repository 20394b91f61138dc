"""What a valid policy still deserves a warning for: rules that can never match, or are never come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpersona.kinds.policy.metrics import METRICS
from netpersona.kinds.policy.model import PolicyRule, PolicySpec
from netpersona.kinds.policy.when import Comparison


def warnings(policy: PolicySpec) -> Sequence[str]:
    return [*_rules(policy), *_timing(policy)]


def _rules(policy: PolicySpec) -> Iterator[str]:
    for number, rule in enumerate(policy.rules, 1):
        comparisons = rule.when.comparisons
        impossible = next((one for one in comparisons if not _possible(one)), None)
        if impossible is not None:
            yield f"rule {number} can never match: nothing is {impossible}"
        elif pair := _contradiction(comparisons):
            yield f"rule {number} can never match: {pair[0]} and {pair[1]} exclude each other"
        else:
            yield from _shadowed(policy.rules, number)


def _possible(one: Comparison) -> bool:
    highest = METRICS[one.metric].highest
    return {
        ">": one.threshold < highest,
        ">=": one.threshold <= highest,
        "<": one.threshold > 0,
        "<=": True,
    }[one.operator]


def _contradiction(comparisons: Sequence[Comparison]) -> tuple[Comparison, Comparison] | None:
    for low in (one for one in comparisons if one.upward):
        for high in (one for one in comparisons if not one.upward and one.name == low.name):
            both = low.operator == ">=" and high.operator == "<="
            if low.threshold > high.threshold or (low.threshold == high.threshold and not both):
                return low, high
    return None


def _shadowed(rules: Sequence[PolicyRule], number: int) -> Iterator[str]:
    """An earlier rule that holds whenever this one does."""
    rule = rules[number - 1]
    for earlier, other in enumerate(rules[: number - 1], 1):
        implied = all(
            any(_implies(one, wider) for one in rule.when.comparisons) for wider in other.when.comparisons
        )
        if implied and other.when.for_s <= rule.when.for_s:
            yield f"rule {number} is never come to: rule {earlier} ({other.when}) holds whenever it does"
            return


def _implies(narrow: Comparison, wide: Comparison) -> bool:
    if narrow.name != wide.name or narrow.upward != wide.upward:
        return False
    if narrow.threshold == wide.threshold:
        return wide.operator.endswith("=") or not narrow.operator.endswith("=")
    return (narrow.threshold > wide.threshold) == narrow.upward


def _timing(policy: PolicySpec) -> Iterator[str]:
    guard = policy.effective_guard
    if guard is not None and guard.within > policy.dwell:
        yield (
            f"dwell {policy.dwell} is shorter than what the guard needs: a persona is worn for"
            f" {guard.within} before it is judged, and for no less"
        )
    if not policy.dwell:
        yield "dwell 0s lets the persona change with every measurement"
