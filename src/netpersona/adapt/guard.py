"""The guard: what becomes of a switch, by a metric before and after it."""

from __future__ import annotations

from typing import Literal

from netpersona.adapt.effects import NOTHING, Effects
from netpersona.adapt.history import History, mean
from netpersona.adapt.objective import path_of, utility
from netpersona.adapt.state import Trial
from netpersona.kinds.adaptation import Outcome
from netpersona.kinds.measured import DIRECTIONS
from netpersona.kinds.policy.metrics import METRICS
from netpersona.kinds.policy.model import Guard, PolicySpec

SCORE_NOISE = 0.02


def trial_of(
    policy: PolicySpec,
    history: History,
    worn: str | None,
    persona: str | None,
    effects: Effects,
    now_s: float,
) -> Trial | None:
    """What is to be judged of a switch made now; `effects` are those of what is worn."""
    guard = policy.effective_guard
    if guard is None:
        return None
    was = _average(policy, guard, history, now_s - guard.within / 1e9, now_s, effects)
    return Trial(persona=persona, before=worn, at_s=now_s, was=was)


def outcome(
    policy: PolicySpec, history: History, trial: Trial, effects: Effects, now_s: float
) -> Outcome | None:
    """None while it is too early: a persona is judged after the guard's time, and after the dwell time."""
    guard = policy.effective_guard
    if guard is None or now_s < trial.at_s + max(guard.within, policy.dwell) / 1e9:
        return None
    begin_s = max(trial.at_s, now_s - guard.within / 1e9)
    now = _average(policy, guard, history, begin_s, now_s, effects)
    return Outcome(persona=trial.persona, before=trial.before, metric=guard.metric, was=trial.was, now=now,
                   verdict=_verdict(guard, trial.was, now))  # fmt: skip


def _verdict(
    guard: Guard, was: float | None, now: float | None
) -> Literal["better", "same", "worse", "unknown"]:
    if was is None or now is None:
        return "unknown"
    name = guard.metric.rpartition(".")[2]
    metric = METRICS.get(name)
    noise = metric.noise if metric else SCORE_NOISE
    change = now - was if metric is not None and metric.worse == "higher" else was - now
    if abs(change) <= noise or abs(change) <= guard.worse_by * was:
        return "same"
    return "worse" if change > 0 else "better"


def _average(
    policy: PolicySpec, guard: Guard, history: History, begin_s: float, end_s: float, worn: Effects = NOTHING
) -> float | None:
    if guard.metric == "score" and policy.objective is not None:
        return utility(policy.objective, path_of(history, begin_s, end_s, worn))
    before, _, name = guard.metric.rpartition(".")
    side = next((one for one in DIRECTIONS if one == before), None)
    return mean(history, lambda measured: METRICS[name].value(measured, side), begin_s, end_s)
