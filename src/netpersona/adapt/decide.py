"""The decision: fit measurements → guard → candidates → scores → margin, dwell, cap → what to wear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netpersona.adapt.effects import NOTHING, Effects
from netpersona.adapt.guard import outcome, trial_of
from netpersona.adapt.history import History, fault
from netpersona.adapt.objective import ByObjective
from netpersona.adapt.rules import Default, Rules
from netpersona.adapt.scorers import Opinion, Scorer, Situation
from netpersona.adapt.state import State
from netpersona.kinds import adaptation
from netpersona.kinds.adaptation import Decision, Outcome
from netpersona.kinds.policy.model import PolicySpec

SCORERS: Final[tuple[Scorer, ...]] = (Rules(), ByObjective(), Default())
"""Asked in this order; the first with an opinion is followed."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, and what to remember if it is carried out."""

    decision: Decision
    state: State


def decide(
    policy: PolicySpec,
    history: History,
    state: State,
    *,
    worn: str | None,
    now_s: float,
    effects: Mapping[str, Effects],
    scorers: Sequence[Scorer] = SCORERS,
) -> Decided:
    """What a workload that wears `worn` is to wear. Pure.

    `policy` is that of the workload (`PolicySpec.of`); `history` holds samples, oldest first, from as far
    back as `policy.memory_s`; `effects` what candidates and worn persona do. Of "switch" and "revert" the
    new state is that after it was done: whoever does not do it (because it only advises) keeps the old one.
    """
    state = state.as_of(now_s, worn, policy.max_switches.within / 1e9)
    if policy.effective_guard is None:
        state = state.judged(None, is_proven=False)
    if reason := fault(history, policy.stale_after / 1e9, now_s):
        return Decided(Decision(action="none", persona=worn, worn=worn, reason=reason), state)
    seen = _judged(policy, history, state, effects, now_s)
    if seen is not None and seen.verdict == "worse" and len(state.switches) < policy.max_switches.count:
        return _reverted(policy, state, seen, worn, now_s)
    if seen is not None:
        state = state.judged(seen.persona, is_proven=seen.verdict != "unknown")
    free = tuple(name for name in policy.allowed if not state.is_blocked(name, now_s))
    situation = Situation(policy, free, effects, history, worn, now_s)
    name, opinion = _opinion(situation, scorers)
    decision = _weighed(situation, state, name, opinion).model_copy(update={"outcome": seen})
    if decision.action != "switch":
        return Decided(decision, state)
    trial = trial_of(policy, history, worn, decision.persona, effects.get(worn or "", NOTHING), now_s)
    return Decided(decision, state.switched(now_s, trial))


def _judged(
    policy: PolicySpec, history: History, state: State, effects: Mapping[str, Effects], now_s: float
) -> Outcome | None:
    trial = state.trial
    if trial is None:
        return None
    return outcome(policy, history, trial, effects.get(trial.persona or "", NOTHING), now_s)


def _reverted(policy: PolicySpec, state: State, seen: Outcome, worn: str | None, now_s: float) -> Decided:
    guard = policy.effective_guard
    assert guard is not None, "it has judged"
    state = state.switched(now_s, None)
    if seen.persona is not None:
        state = state.blocked(seen.persona, now_s, guard.block / 1e9)
    block = f"; {seen.persona} is no candidate for {state.blocks[seen.persona].until_s - now_s:.0f}s" if (
        seen.persona is not None
    ) else ""  # fmt: skip
    reason = f"{seen.persona} made it worse: {seen.metric} was {seen.was:.4g}, is {seen.now:.4g}{block}"
    return Decided(
        Decision(action="revert", persona=seen.before, worn=worn, wanted=seen.before, reason=reason,
                 scorer="guard", inputs={seen.metric: seen.now}, outcome=seen),
        state,
    )  # fmt: skip


def _opinion(situation: Situation, scorers: Sequence[Scorer]) -> tuple[adaptation.Scorer | None, Opinion]:
    for scorer in scorers:
        opinion = scorer.opinion(situation)
        if opinion is not None:
            return scorer.name, opinion
    return None, Opinion()


def _weighed(
    situation: Situation, state: State, scorer: adaptation.Scorer | None, opinion: Opinion
) -> Decision:
    """What follows from an opinion: to stay, or to switch where nothing holds it back."""
    worn, best = situation.worn, next(iter(opinion.scores), None)
    said = Decision(action="stay", persona=worn, worn=worn, scorer=scorer, scores=opinion.scores,
                    inputs=dict(opinion.inputs))  # fmt: skip
    if opinion.missing:
        return said.model_copy(update={"action": "none", "reason": f"not measured: {opinion.missing}"})
    if best is None:
        return said.model_copy(update={"reason": _nothing(situation)})
    said = said.model_copy(update={"wanted": best.persona})
    if best.persona == worn:
        return said.model_copy(update={"reason": f"{worn} is right: {best.why}"})
    held = _not_better(situation, opinion) or _held_back(situation.policy, state, situation.now_s)
    if held:
        return said.model_copy(update={"reason": f"{best.persona} would be better ({best.why}), but {held}"})
    switch = {"action": "switch", "persona": best.persona, "reason": best.why}
    return said.model_copy(update=switch)


def _nothing(situation: Situation) -> str:
    policy = situation.policy
    blocked = [name for name in policy.allowed if name not in situation.candidates]
    why = "no rule holds, and there is no default" if policy.default is None else "nothing else may be put on"
    return f"{why}; blocked because it made it worse: {', '.join(blocked)}" if blocked else why


def _not_better(situation: Situation, opinion: Opinion) -> str:
    best = opinion.scores[0]
    now = next((one.score for one in opinion.scores if one.persona == situation.worn), None)
    if now is None or best.score > now + opinion.margin * now:
        return ""
    return (
        f"{best.score:.2f} is not {situation.policy.hysteresis} more than the {now:.2f} of {situation.worn}"
    )


def _held_back(policy: PolicySpec, state: State, now_s: float) -> str:
    """Why no switch may be made now: dwell, an open trial, or the cap, which leaves one to undo it."""
    last_s = max(state.switches, default=None)
    if last_s is not None and now_s < last_s + policy.dwell / 1e9:
        return f"the persona is worn for {policy.dwell} first"
    if state.trial is not None:
        return "the last switch is not judged yet"
    cap = policy.max_switches
    needed = 1 if policy.effective_guard is None else 2
    if len(state.switches) + needed > cap.count:
        return f"there were {len(state.switches)} switches within {cap.within}, of {cap.count} at most"
    return ""
