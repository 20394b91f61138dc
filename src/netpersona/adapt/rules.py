"""Rules: the first that holds decides, and holds on until its condition is clearly over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netpersona.adapt.history import throughout
from netpersona.adapt.scorers import Opinion, Situation
from netpersona.kinds.adaptation import Score
from netpersona.kinds.policy.metrics import METRICS
from netpersona.kinds.policy.model import PolicyRule
from netpersona.kinds.policy.when import Comparison


class Rules:
    name: Final = "rules"

    def opinion(self, situation: Situation) -> Opinion | None:
        inputs = dict(_inputs(situation))
        for number, rule in enumerate(situation.policy.rules, 1):
            name = rule.persona
            if name is not None and name in situation.candidates and (why := _holds(situation, rule)):
                return Opinion((Score(persona=name, score=1.0, why=f"rule {number} {why}"),), inputs)
        return None


class Default:
    """What is worn where nobody else has an opinion."""

    name: Final = "default"

    def opinion(self, situation: Situation) -> Opinion | None:
        default = situation.policy.default
        if default is None or default not in situation.candidates:
            return None
        why = "no rule holds" if situation.policy.rules else "the default"
        return Opinion((Score(persona=default, score=1.0, why=why),), dict(_inputs(situation)))


def _holds(situation: Situation, rule: PolicyRule) -> str:
    """Why the rule decides; empty where it does not.

    What it put on is kept until the condition, with hysteresis, has failed for as long as it had to hold.
    """
    policy, when = situation.policy, rule.when
    gap_s = policy.stale_after / 1e9
    if throughout(situation.history, when.for_s, gap_s, lambda measured: when.holds(measured) is True):
        return f"holds ({when}): {_values(situation, when.comparisons)}"
    if rule.persona != situation.worn:
        return ""
    slack = float(policy.hysteresis)
    over = throughout(
        situation.history, when.for_s, gap_s, lambda measured: when.holds(measured, slack) is False
    )
    return "" if over else f"is not over yet ({when}): {_values(situation, when.comparisons)}"


def _values(situation: Situation, comparisons: tuple[Comparison, ...]) -> str:
    newest = situation.history[-1].measured
    said = []
    for one in comparisons:
        value = one.value(newest)
        shown = "was not measured" if value is None else f"is {METRICS[one.metric].unit.show(value)}"
        said.append(f"{one.name} {shown}")
    return ", ".join(said)


def _inputs(situation: Situation) -> Iterator[tuple[str, float | None]]:
    newest = situation.history[-1].measured
    for rule in situation.policy.rules:
        for one in rule.when.comparisons:
            yield one.name, one.value(newest)
