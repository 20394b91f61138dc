"""Delay distributions as piecewise linear quantile functions: at probability p the delay is Q(p).

The points lie evenly in the middle and geometrically in both tails. A standard shape is scaled and
shifted so that the piecewise linear distribution itself, not the curve it follows, has exactly the
mean and standard deviation asked. Where that would go below zero the shape is cut off on the left
first, so that nothing piles up at zero. Only pareto's start and cut shapes depend on the ratio of the two.

Shapes, by upper tail probability v:
  uniform        exact: mean ± half width
  normal         Φ⁻¹(1 - v)
  pareto         v^(-1/3), as netem's table (shape 3)
  paretonormal   1/4 normal + 3/4 pareto, quantile by quantile, as netem's table
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist

MAX_POINTS = 256
STEPS = 2**32 - 1  # what p is a multiple of in np_delay_point
_NORMAL = NormalDist()
_DEEPEST = 700.0  # e^-700: the smallest upper tail that a cut shape starts from

Shape = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Points (p, delay): p ascends from 0 to 1, delay does not descend. Delays in ns."""

    points: tuple[tuple[float, float], ...]

    @property
    def low(self) -> float:
        """Smallest delay."""
        return self.points[0][1]

    @property
    def high(self) -> float:
        """Largest delay."""
        return self.points[-1][1]

    def mean(self) -> float:
        """Mean of the piecewise linear distribution."""
        return math.fsum((q - p) * (a + b) / 2 for (p, a), (q, b) in pairwise(self.points))

    def deviation(self) -> float:
        """Standard deviation of the piecewise linear distribution."""
        mean = self.mean()
        return math.sqrt(
            math.fsum(_second(q - p, a - mean, b - mean) for (p, a), (q, b) in pairwise(self.points))
        )

    def at(self, p: float) -> float:
        """Delay at probability p."""
        index = min(max(bisect_right(self.points, p, key=lambda point: point[0]), 1), len(self.points) - 1)
        (p0, x0), (p1, x1) = self.points[index - 1], self.points[index]
        return x0 + (x1 - x0) * (p - p0) / (p1 - p0)

    def moved(self, scale: float, shift: float) -> Quantiles:
        """Every delay times scale, plus shift."""
        return Quantiles(tuple((p, x * scale + shift) for p, x in self.points))


def _second(width: float, a: float, b: float) -> float:
    """Contribution of one segment to the second moment."""
    return width * (a * a + a * b + b * b) / 3


def _grid() -> tuple[tuple[float, float], ...]:
    """Pairs (p, 1 - p): 48 lower, 88 middle and about 110 upper points, each a multiple of 1/(2^32 - 1)."""
    lower = [2.0 ** (-22 + i / 3) for i in range(48)]
    middle = [2**-6 + (1 - 2**-6 - 2**-3) * i / 87 for i in range(88)]
    upper = [2.0 ** (-3 - (i + 1) / 4) for i in range(116)]
    steps = {round(p * STEPS) for p in (*lower, *middle)} | {STEPS - round(v * STEPS) for v in upper}
    return tuple((step / STEPS, (STEPS - step) / STEPS) for step in sorted(steps))


_GRID = _grid()


def _normal(v: float) -> float:
    return _NORMAL.inv_cdf(1 - v) if v > 0.5 else -_NORMAL.inv_cdf(v)


def _pareto(v: float) -> float:
    return float(v ** (-1 / 3))


def _paretonormal(v: float) -> float:
    """Both parts standardised: the pareto of shape 3 has mean 3/2 and variance 3/4."""
    return 0.25 * _normal(v) + 0.75 * (_pareto(v) - 1.5) / math.sqrt(0.75)


_SHAPES: dict[str, Shape] = {"normal": _normal, "pareto": _pareto, "paretonormal": _paretonormal}
_STARTS = {"normal": 1 - 2**-23, "pareto": 1.0, "paretonormal": 1 - 2**-23}


def _cut(shape: Shape, start: float) -> Quantiles:
    """The shape given that it exceeds the value at upper tail probability `start`."""
    inner = ((p, shape(start * v)) for p, v in _GRID)
    return Quantiles(((0.0, shape(start)), *inner, (1.0, shape(start * 2.0**-33))))


def _reach(table: Quantiles) -> float:
    """How many standard deviations the mean lies above the smallest delay."""
    return (table.mean() - table.low) / table.deviation()


@lru_cache(maxsize=64)
def _standard(name: str, reach: float) -> Quantiles:
    """Table of a shape whose mean is at most `reach` standard deviations above its start."""
    shape, start = _SHAPES[name], _STARTS[name]
    table = _cut(shape, start)
    if _reach(table) <= reach:
        return table
    shallow, deep = -math.log(start), _DEEPEST
    for _ in range(48):
        middle = (shallow + deep) / 2
        table = _cut(shape, math.exp(-middle))
        shallow, deep = (middle, deep) if _reach(table) > reach else (shallow, middle)
    return _cut(shape, math.exp(-deep))


def with_moments(name: str, mean: float, deviation: float) -> Quantiles:
    """A delay of the named shape with exactly this mean and standard deviation (ns), never negative."""
    table = _standard(name, mean / deviation)
    scale = deviation / table.deviation()
    return table.moved(scale, mean - table.mean() * scale)


def uniform(mean: float, half_width: float) -> Quantiles:
    """A delay evenly from mean - half_width to mean + half_width (ns)."""
    return Quantiles(((0.0, mean - half_width), (1.0, mean + half_width)))


def empirical(delays: Sequence[int]) -> Quantiles:
    """The delays as evenly spaced quantiles, thinned to 256 by interpolation."""
    ordered = sorted(delays)
    whole = Quantiles(tuple((i / (len(ordered) - 1), float(x)) for i, x in enumerate(ordered)))
    if len(ordered) <= MAX_POINTS:
        return whole
    steps = [i / (MAX_POINTS - 1) for i in range(MAX_POINTS)]
    return Quantiles(tuple((p, whole.at(p)) for p in steps))
