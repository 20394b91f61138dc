"""Correlation of delays when order is kept (ARCHITECTURE.md, "Jitter that keeps order").

The next delay after a gap Δ is D' = max(D - Δ, x) with F(x)/F(x + Δ) uniform. Capping Δ at the gap at
which D and D' have correlation r keeps successive packets correlated by at least r at any lower rate.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise

from netpersona.kinds.persona.quantiles import Quantiles

_STEPS = 24
_CELLS = 128


@lru_cache(maxsize=256)
def coherence(distribution: Quantiles, correlation: float) -> int:
    """The gap (ns) at which the delays of two packets have this correlation, by bisection."""
    distribution = _fine(distribution)
    short, long = 0.0, distribution.high - distribution.low
    for _ in range(_STEPS):
        middle = (short + long) / 2
        above = autocorrelation(distribution, middle) > correlation
        short, long = (middle, long) if above else (short, middle)
    return max(1, round(long))


def expected(distribution: Quantiles, correlation: float, gap: float) -> float:
    """Correlation of the delays of packets `gap` ns apart when order is kept and `correlation` was asked.

    What was asked is a floor: packets closer than `coherence` are tied more, because a later one may not
    overtake; without any correlation asked they are tied, too. Pearson's.
    """
    reach = coherence(distribution, correlation) if correlation else gap
    return min(1.0, max(0.0, autocorrelation(_fine(distribution), min(gap, reach))))


def _fine(distribution: Quantiles) -> Quantiles:
    """The same distribution with at least 128 points to integrate over."""
    even = (i / _CELLS for i in range(_CELLS + 1)) if len(distribution.points) < _CELLS else ()
    return Quantiles(
        tuple((p, distribution.at(p)) for p in sorted({*even, *(p for p, _ in distribution.points)}))
    )


def autocorrelation(distribution: Quantiles, gap: float) -> float:
    """Correlation of D and D' for packets `gap` ns apart.

    E[D'|D] = m + ∫ 1 - F(y)/F(y + Δ) dy from m = max(D - Δ, lowest) on; both integrals are sums over
    cells that are even in p and fine enough in the tails.
    """
    knots = _knots(distribution, gap)
    survival = _survival(distribution, knots, gap)
    mean = distribution.mean()
    low = distribution.low
    product = 0.0
    for (p, a), (q, b) in pairwise(distribution.points):
        d = (a + b) / 2
        m = max(d - gap, low)
        product += (q - p) * (d - mean) * (m + _interpolate(knots, survival, m))
    return product / distribution.deviation() ** 2


def _knots(distribution: Quantiles, gap: float) -> list[float]:
    delays = [x for _, x in distribution.points]
    return sorted({*delays, *(x - gap for x in delays if x - gap > distribution.low)})


def _survival(distribution: Quantiles, knots: list[float], gap: float) -> list[float]:
    """At each knot, the integral of P(x > y) from it to the end."""
    tails = [1 - _ratio(distribution, y, gap) for y in knots]
    sums = [0.0]
    for index in range(len(knots) - 1, 0, -1):
        width = knots[index] - knots[index - 1]
        sums.append(sums[-1] + width * (tails[index] + tails[index - 1]) / 2)
    return sums[::-1]


def _ratio(distribution: Quantiles, y: float, gap: float) -> float:
    below = _cumulative(distribution, y)
    return below / _cumulative(distribution, y + gap) if below else 0.0


def _cumulative(distribution: Quantiles, x: float) -> float:
    points = distribution.points
    index = bisect_right(points, x, key=lambda point: point[1])
    if index in (0, len(points)):
        return float(index > 0)
    (p, a), (q, b) = points[index - 1], points[index]
    return p + (q - p) * (x - a) / (b - a)


def _interpolate(xs: list[float], ys: list[float], x: float) -> float:
    index = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    a, b = xs[index - 1], xs[index]
    return ys[index - 1] + (ys[index] - ys[index - 1]) * (x - a) / (b - a)


def rank_autocorrelation(distribution: Quantiles, gap: float) -> float:
    """Spearman's correlation of D and D' for packets `gap` ns apart: 12 E[F(D) F(D')] - 3.

    E[F(D')|D] = 1 - ∫ F(Q(u))/F(Q(u) + Δ) du from u = F(D - Δ) on; sums over even cells of u.
    """
    table = _fine(distribution)
    levels = [(i + 0.5) / _CELLS for i in range(_CELLS)]
    delays = [table.at(u) for u in levels]
    tails = [0.0]
    for y in reversed(delays):
        tails.append(tails[-1] + _ratio(table, y, gap) / _CELLS)
    tails.reverse()  # tails[i]: the integral from i / _CELLS on
    edges = [i / _CELLS for i in range(_CELLS + 1)]
    product = sum(
        u * (1 - _interpolate(edges, tails, _cumulative(table, d - gap)))
        for u, d in zip(levels, delays, strict=True)
    )
    return 12 * product / _CELLS - 3
