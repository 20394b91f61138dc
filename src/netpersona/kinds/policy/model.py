"""The policy document: rules, an objective, candidates, and what keeps adaptation from doing harm."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, model_validator

from netpersona.kinds.base import Frozen, Int, Prose, Text
from netpersona.kinds.errors import Refused
from netpersona.kinds.names import PersonaName
from netpersona.kinds.policy.metrics import METRICS
from netpersona.kinds.policy.when import When
from netpersona.kinds.requirement.applications import Application, Requirement, default_name
from netpersona.kinds.units import Duration, Probability, Rate, shown

MAX_RULES = 32
MAX_CANDIDATES = 64
SECOND = 10**9

Weight = Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]


class PolicyRule(Frozen):
    """A condition, and the persona to wear while it holds."""

    when: When
    """What must be measured, and for how long: `loss > 2% and rtt > 80ms for 3s`."""
    persona: PersonaName | None = None
    """A stored persona, or a preset."""
    write: Application | None = None
    """In its place: an application, for which a persona is written from what is measured then."""

    @model_validator(mode="after")
    def _puts_on_one(self) -> PolicyRule:
        if (self.persona is None) == (self.write is None):
            raise Refused(
                "a rule puts on one persona", "write either persona: NAME or write: voip, and not both"
            )
        return self


class LatencyGoal(Frozen):
    """How much the round trip counts, and what is good enough."""

    weight: Weight = 1.0
    """Against the other goals."""
    target: Duration = Duration(100 * 10**6)
    """A round trip that is no better for being shorter."""


class ThroughputGoal(Frozen):
    """How much throughput counts, and what is good enough."""

    weight: Weight = 1.0
    """Against the other goals."""
    target: Rate = Rate(10 * 10**6)
    """A rate, of the direction that carries more, that is no better for being higher."""


class LossGoal(Frozen):
    """How much loss counts, and what is good enough."""

    weight: Weight = 1.0
    """Against the other goals."""
    target: Probability = Probability(0.01)
    """A share of lost packets that is no better for being less."""


class Objective(Frozen):
    """What is good: candidates are scored from 0 to 1, 1 being that every target is met."""

    latency: LatencyGoal | None = None
    """How much the round trip counts; not at all when left out."""
    throughput: ThroughputGoal | None = None
    """How much throughput counts; not at all when left out."""
    loss: LossGoal | None = None
    """How much loss counts; not at all when left out."""
    over: Duration = Duration(5 * SECOND)
    """Measurements of this time are averaged."""

    @model_validator(mode="after")
    def _wants_something(self) -> Objective:
        if not any(goal is not None and goal.weight for goal in (self.latency, self.throughput, self.loss)):
            raise Refused(
                "an objective without a goal of any weight finds everything equally good",
                "write latency, throughput or loss, as in {latency: {weight: 3, target: 50ms}}",
            )
        if not self.over:
            raise Refused("an average over 0s is none", "write 5s, or leave over out", ("over",))
        return self


class MaxSwitches(Frozen):
    """A cap on switches, those back included."""

    count: Annotated[Int, Field(ge=1, le=1000)] = 6
    """At most so many …"""
    within: Duration = Duration(600 * SECOND)
    """… in any stretch of this length."""


class Guard(Frozen):
    """When a switch is undone: the metric after it is worse than before it."""

    metric: Text = "score"
    """`score` (the objective's own), or a metric of rules, as in rtt or egress.loss."""
    worse_by: Probability = Probability(0.2)
    """A change for the worse of more than this share of what was before …"""
    within: Duration = Duration(10 * SECOND)
    """… on average over this time after the switch against as much before it."""
    block: Duration = Duration(60 * SECOND)
    """For so long what made it worse is no candidate; twice as long each further time, to an hour."""

    @model_validator(mode="after")
    def _is_measured(self) -> Guard:
        before, dot, name = self.metric.rpartition(".")
        known = name in METRICS and before in (("egress", "ingress") if dot else ("",))
        if self.metric != "score" and not known:
            raise Refused(
                f"{shown(self.metric)} is no metric",
                f"write score, or one of {', '.join(METRICS)}, also with egress. or ingress. in front",
                ("metric",),
            )
        if not self.within:
            raise Refused("nothing can be measured within 0s", "write 10s", ("within",))
        return self


class PolicySpec(Frozen):
    """When which persona is put on."""

    description: Prose = ""
    """For people."""
    rules: Annotated[tuple[PolicyRule, ...], Field(max_length=MAX_RULES)] = ()
    """The first that holds decides."""
    objective: Objective | None = None
    """Chooses among the candidates where no rule holds."""
    candidates: Annotated[tuple[PersonaName, ...], Field(max_length=MAX_CANDIDATES)] = ()
    """Personas that may be put on; when left out, those of the rules and the default."""
    default: PersonaName | None = None
    """Worn where no rule holds and there is no objective; when left out, what is worn stays."""
    dwell: Duration = Duration(10 * SECOND)
    """A persona is worn for at least this long."""
    hysteresis: Probability = Probability(0.1)
    """Share by which a value must come back past its threshold, or another score must be better."""
    max_switches: MaxSwitches = MaxSwitches()
    """A cap on switches."""
    guard: Guard | None = None
    """When a switch is undone; with an objective by its score when left out."""
    stale_after: Duration = Duration(5 * SECOND)
    """Nothing is done when the newest measurement is older."""
    advise: StrictBool = False
    """Only say what would be done."""

    @model_validator(mode="after")
    def _decides_something(self) -> PolicySpec:
        if not self.rules and self.objective is None:
            raise Refused(
                "a policy without rules and objective decides nothing",
                "add rules, as in [{when: loss > 2% for 3s, persona: NAME}], or an objective with candidates",
            )
        if self.objective is not None and len(self.allowed) < 2:
            raise Refused(
                "an objective has nothing to choose from", "name two candidates or more", ("candidates",)
            )
        return self

    @model_validator(mode="after")
    def _chooses_candidates(self) -> PolicySpec:
        if not self.candidates:
            return self
        for index, rule in enumerate(self.rules):
            if rule.persona is not None:
                self._allowed_or_refused(rule.persona, ("rules", index, "persona"))
        if self.default is not None:
            self._allowed_or_refused(self.default, ("default",))
        return self

    @model_validator(mode="after")
    def _is_safe(self) -> PolicySpec:
        guard = self.effective_guard
        if self.guard is not None and self.guard.metric == "score" and self.objective is None:
            raise Refused(
                "without an objective there is no score", "write metric: rtt, or another", ("guard",)
            )
        if guard is not None and self.max_switches.count < 2:
            raise Refused("one switch leaves none to undo it", "write 2 or more", ("max_switches", "count"))
        if not self.stale_after:
            raise Refused("every measurement is older than 0s", "write 5s", ("stale_after",))
        return self

    def _allowed_or_refused(self, persona: str, at: tuple[str | int, ...]) -> None:
        if persona not in self.candidates:
            raise Refused(f"{persona} is not among the candidates", "add it there, or name another", at)

    @property
    def allowed(self) -> tuple[str, ...]:
        """All personas that may be put on, in the order in which they are named."""
        named = (*self.candidates, *(rule.persona for rule in self.rules), self.default)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def written_for(self, workload: str) -> dict[str, Requirement]:
        """Personas that its rules write for a workload, by name."""
        wanted = [Requirement(application=rule.write) for rule in self.rules if rule.write]
        return {default_name(requirement, workload): requirement for requirement in wanted}

    def of(self, workload: str) -> PolicySpec:
        """As it is for one workload: with the names of the personas that are written for it."""
        if not any(rule.write for rule in self.rules):
            return self
        rules = tuple(
            PolicyRule(when=rule.when, persona=default_name(Requirement(application=rule.write), workload))
            if rule.write
            else rule
            for rule in self.rules
        )
        return self.model_copy(update={"rules": rules})

    @property
    def effective_guard(self) -> Guard | None:
        return self.guard or (Guard() if self.objective is not None else None)

    @property
    def memory_s(self) -> float:
        """How far back measurements are looked at."""
        guard = self.effective_guard
        spans = [rule.when.for_s for rule in self.rules]
        spans += [self.objective.over / 1e9] if self.objective else []
        spans += [2 * max(guard.within, self.dwell) / 1e9] if guard else []
        return max(spans) + 2 * self.stale_after / 1e9
