"""Policies of adaptation, declared as a kind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from netpersona.kinds.base import Told
from netpersona.kinds.kind import Column, Kind, Ref, Resource, Section, name_column
from netpersona.kinds.persona.presets import presets
from netpersona.kinds.policy.model import PolicySpec
from netpersona.kinds.policy.warnings import warnings
from netpersona.kinds.reading import reader


class PolicyState(Told):
    """Who adapts by a policy."""

    in_use_by: tuple[str, ...] = Field((), description="Workloads that adapt by it")


Policy = Resource[PolicySpec, PolicyState]


def _references(spec: PolicySpec) -> Iterable[Ref]:
    shipped = presets()
    for name in spec.allowed:
        if name not in shipped:
            yield Ref("personas", name)


def _decides_by(spec: PolicySpec) -> str:
    rules = f"{len(spec.rules)} rule{'s' * (len(spec.rules) != 1)}" if spec.rules else ""
    return " and ".join(part for part in (rules, "an objective" if spec.objective else "") if part)


def _users(policy: Policy, _: datetime) -> str:
    return ",".join(policy.state.in_use_by) or "-"


def _describe(policy: Policy, now: datetime) -> tuple[Section, ...]:
    spec = policy.spec
    guard = spec.effective_guard
    fields = (
        ("description", " ".join(spec.description.split()) or "-"),
        ("in use by", _users(policy, now)),
        ("candidates", ", ".join(spec.allowed)),
        ("default", spec.default or "-"),
        ("dwell", f"{spec.dwell}, hysteresis {spec.hysteresis}"),
        ("at most", f"{spec.max_switches.count} switches within {spec.max_switches.within}"),
        ("guard", f"{guard.metric} worse by {guard.worse_by} within {guard.within}" if guard else "-"),
        ("stale after", str(spec.stale_after)),
        ("advises only", "yes" if spec.advise else "no"),
    )
    rules = [
        (str(number), str(rule.when), rule.persona or f"written: {rule.write}")
        for number, rule in enumerate(spec.rules, 1)
    ]
    goals = [
        (name, f"{goal.weight:g}", str(goal.target))
        for name in ("latency", "throughput", "loss")
        if (goal := getattr(spec.objective, name, None)) is not None
    ]
    return (
        Section(f"policy {policy.name}", fields),
        *([Section("rules", table=(("NUMBER", "WHEN", "PERSONA"), *rules))] if rules else []),
        *([Section("objective", table=(("GOAL", "WEIGHT", "TARGET"), *goals))] if goals else []),
    )


POLICY: Kind[PolicySpec, PolicyState] = Kind(
    noun="policy",
    plural="policies",
    id_key="policy_id",
    doc="When which persona is put on, by what is measured.",
    spec=PolicySpec,
    state=PolicyState,
    read=reader(PolicySpec, "policy_id"),
    check=warnings,
    references=_references,
    example={
        "policy_id": "keep-calls-clear",
        "rules": [{"when": "loss > 2% for 3s", "persona": "atc-edge-lossy"}],
        "default": "atc-3g-good",
    },
    columns=(
        name_column(),
        Column("DECIDES BY", lambda policy, _: _decides_by(policy.spec)),
        Column("CANDIDATES", lambda policy, _: ",".join(policy.spec.allowed)),
        Column("IN USE BY", _users),
    ),
    describe=_describe,
    empty="no policies; `netpersona apply -f FILE` stores some",
)
