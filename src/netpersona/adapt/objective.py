"""The objective: how good each candidate would make the path that is measured, from 0 to 1.

A goal is met as far as its target is: `target / value` of a round trip and of loss, `value / target` of
throughput, 1 at most; the score is their weighted mean. What a candidate would make of the path is what is
measured, less what the worn persona adds, plus what the candidate adds. A rate below the bottleneck's keeps
the queue there empty (RFC 7567 section 4), and the shortest round trip remains. Throughput counts only where
something holds it back: an application that sends little is not served worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from netpersona.adapt.effects import NOTHING, Effects
from netpersona.adapt.history import mean
from netpersona.adapt.scorers import Opinion, Situation
from netpersona.kinds.adaptation import Score
from netpersona.kinds.measured import DIRECTIONS, Direction, Measured, Sample
from netpersona.kinds.policy.metrics import METRICS, TIME
from netpersona.kinds.policy.model import Objective

BELOW_BOTTLENECK: Final = 0.95
"""Share of the bottleneck's rate at which its queue stays empty."""
QUEUED: Final = 1.5
"""A median round trip of so many shortest ones has a queue in it."""
AT_LIMIT: Final = 0.9
"""Share of a rate limit from which on it holds traffic back."""


@dataclass(frozen=True, slots=True)
class Path:
    """What an objective looks at; None where it was not measured."""

    rtt_ms: float | None
    rtt_min_ms: float | None
    loss: float | None
    direction: Direction
    """The one that carries more: the other one mostly acknowledges."""
    rate_bit_s: float | None
    """Of that direction."""
    held_back: bool
    """Whether more was offered than went on."""

    @property
    def is_queued(self) -> bool:
        return self.rtt_ms is not None and self.rtt_ms > QUEUED * (self.rtt_min_ms or self.rtt_ms)


class ByObjective:
    name: Final = "objective"

    def opinion(self, situation: Situation) -> Opinion | None:
        objective = situation.policy.objective
        if objective is None:
            return None
        newest = situation.history[-1]
        begin_s = min(newest.at_s - objective.over / 1e9, newest.begins_s)
        worn = situation.effects.get(situation.worn or "", NOTHING)
        path = path_of(situation.history, begin_s, newest.at_s, worn)
        inputs = {"rtt": path.rtt_ms, "rtt_min": path.rtt_min_ms, "loss": path.loss,
                  f"{path.direction}.throughput": path.rate_bit_s}  # fmt: skip
        if missing := ", ".join(name for name, _, met in goals(objective, path) if met is None):
            return Opinion(inputs=inputs, missing=missing)
        names = dict.fromkeys((*situation.candidates, *filter(None, [situation.worn])))
        scores = [
            _score(objective, name, expected(path, worn, situation.effects.get(name, NOTHING)))
            for name in names
        ]
        scores.sort(key=lambda one: (-one.score, one.persona != situation.worn))
        return Opinion(tuple(scores), inputs, margin=float(situation.policy.hysteresis))


def path_of(history: Sequence[Sample], begin_s: float, end_s: float, worn: Effects) -> Path:
    """Averages over samples between two moments."""

    def average(read: Callable[[Measured], float | None]) -> float | None:
        return mean(history, read, begin_s, end_s)

    rates = {side: average(lambda m, side=side: m.direction(side).throughput_bit_s) for side in DIRECTIONS}  # type: ignore[misc]
    direction = max(DIRECTIONS, key=lambda side: rates[side] or 0.0)
    rate, limit = rates[direction], worn.limit_bit_s(direction)
    rtt, rtt_min, loss = (
        average(lambda m, name=name: METRICS[name].value(m, None))  # type: ignore[misc]
        for name in ("rtt", "rtt_min", "loss")
    )
    at_limit = rate is not None and limit is not None and rate >= AT_LIMIT * limit
    path = Path(rtt, rtt_min, loss, direction, rate, held_back=at_limit)
    return (
        path if at_limit or not path.is_queued else Path(rtt, rtt_min, loss, direction, rate, held_back=True)
    )


def expected(path: Path, worn: Effects, other: Effects) -> Path:
    """The path under `other`, by what it is under `worn`."""
    seen, old, new = path.rate_bit_s, worn.limit_bit_s(path.direction), other.limit_bit_s(path.direction)
    by_worn = seen is not None and old is not None and seen >= AT_LIMIT * old
    bites = seen is not None and new is not None and (new < seen or path.held_back)
    empties = path.is_queued and seen is not None and new is not None and new <= BELOW_BOTTLENECK * seen
    rtt, added = path.rtt_min_ms if empties else path.rtt_ms, other.latency_ms - worn.latency_ms
    return Path(
        rtt_ms=_plus(rtt, added),
        rtt_min_ms=_plus(path.rtt_min_ms, added),
        loss=None if path.loss is None else 1 - (1 - _without(path.loss, worn.loss)) * (1 - other.loss),
        direction=path.direction,
        rate_bit_s=new if bites and (by_worn or new is None or new < (seen or 0)) else seen,
        held_back=bites or (path.held_back and not by_worn),
    )


def utility(objective: Objective, path: Path) -> float | None:
    """0 to 1; None where what is weighed was not measured."""
    found = list(goals(objective, path))
    if any(met is None for _, _, met in found):
        return None
    return sum(weight * (met or 0.0) for _, weight, met in found) / sum(weight for _, weight, _ in found)


def goals(objective: Objective, path: Path) -> Iterator[tuple[str, float, float | None]]:
    """Name, weight, and how far it is met: 0 to 1, None where it was not measured."""
    latency, throughput, loss = objective.latency, objective.throughput, objective.loss
    if latency and latency.weight:
        yield "latency", latency.weight, _at_most(path.rtt_ms, latency.target / 1e6)
    if throughput and throughput.weight:
        rate = path.rate_bit_s
        met = None if rate is None else min(1.0, rate / throughput.target) if path.held_back else 1.0
        yield "throughput", throughput.weight, met
    if loss and loss.weight:
        yield "loss", loss.weight, _at_most(path.loss, float(loss.target))


def _score(objective: Objective, name: str, path: Path) -> Score:
    met = ", ".join(f"{goal} {share or 0:.2f}" for goal, _, share in goals(objective, path))
    values = [
        f"rtt {TIME.show(path.rtt_ms)}" if path.rtt_ms is not None else "",
        f"loss {path.loss:.2%}" if path.loss is not None else "",
        f"{path.direction} {(path.rate_bit_s or 0) / 1e6:.3g}mbit{' held back' if path.held_back else ''}",
    ]
    said = f"expected {', '.join(filter(None, values))}; goals met: {met}"
    return Score(persona=name, score=round(utility(objective, path) or 0.0, 4), why=said)


def _at_most(value: float | None, target: float) -> float | None:
    if value is None:
        return None
    return 1.0 if value <= target else target / value


def _plus(value: float | None, added: float) -> float | None:
    return None if value is None else max(0.0, value + added)


def _without(total: float, part: float) -> float:
    """What is left of a loss without one that adds to it."""
    return max(0.0, 1 - (1 - total) / (1 - part)) if part < 1 else 0.0
