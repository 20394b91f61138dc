"""Who says how good candidates are. What was learned plugs in as another `Scorer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from netpersona.adapt.effects import Effects
from netpersona.adapt.history import History
from netpersona.kinds import adaptation
from netpersona.kinds.adaptation import Score
from netpersona.kinds.policy.model import PolicySpec


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a decision is to be made."""

    policy: PolicySpec
    candidates: tuple[str, ...]
    """Those that may be put on now; what made it worse is not among them."""
    effects: Mapping[str, Effects]
    """By persona, as far as they are known."""
    history: History
    worn: str | None
    now_s: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """Scores of candidates, the best first. `missing` names what would have been needed."""

    scores: tuple[Score, ...] = ()
    inputs: Mapping[str, float | None] = field(default_factory=dict)
    missing: str = ""
    margin: float = 0.0
    """By how much a candidate must be better than what is worn."""


class Scorer(Protocol):
    """Pure. One without an opinion leaves it to the next."""

    @property
    def name(self) -> adaptation.Scorer: ...

    def opinion(self, situation: Situation) -> Opinion | None: ...
