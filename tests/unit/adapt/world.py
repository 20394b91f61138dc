"""A scripted world: one sample a second, made of what the path does and what is worn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from netpersona.adapt import Effects, State, decide
from netpersona.kinds.adaptation import Decision
from netpersona.kinds.measured import Measured, Sample
from netpersona.kinds.policy.kind import POLICY
from netpersona.kinds.policy.model import PolicySpec

BEGIN_S = 1_000_000.0


def policy(**keys: Any) -> PolicySpec:
    return POLICY.read({"policy_id": "test", **keys})[1]


def measured(
    rtt: float | None = 20.0,
    loss: float | None = 0.0,
    mbit: float = 1.0,
    rtt_min: float | None = None,
    packets: float = 100.0,
) -> Measured:
    """Of the egress; round trips in milliseconds."""
    low = rtt if rtt_min is None else rtt_min
    trips = None if rtt is None else {"min_ms": low, "median_ms": rtt, "p95_ms": rtt}
    egress = {"rtt": trips, "loss": loss, "throughput_bit_s": mbit * 1e6, "packets_s": packets}
    return Measured.model_validate({"interval_s": 1.0, "egress": egress})


Path = Callable[[float, str | None], Measured | None]
"""What is measured of a second: since the beginning, under what is worn. None: nothing."""


@dataclass
class World:
    policy: PolicySpec
    path: Path
    worn: str | None = None
    effects: Mapping[str, Effects] = field(default_factory=dict)
    state: State = field(default_factory=State)
    history: list[Sample] = field(default_factory=list)
    switches: list[tuple[float, str | None]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    now_s: float = 0.0

    def run(self, seconds: int) -> World:
        for _ in range(seconds):
            self.step()
        return self

    def step(self) -> Decision:
        self.now_s += 1
        seen = self.path(self.now_s, self.worn)
        if seen is not None:
            self.history.append(Sample(BEGIN_S + self.now_s, seen))
        decided = decide(
            self.policy,
            self.history,
            State.model_validate_json(self.state.model_dump_json()),
            worn=self.worn,
            now_s=BEGIN_S + self.now_s,
            effects=self.effects,
        )
        self.state, decision = decided.state, decided.decision
        self.decisions.append(decision)
        if decision.action in ("switch", "revert"):
            self.switches.append((self.now_s, decision.persona))
            self.worn = decision.persona
        return decision

    @property
    def gaps_s(self) -> list[float]:
        moments = [at_s for at_s, _ in self.switches]
        return [later - at_s for at_s, later in pairwise(moments)]
