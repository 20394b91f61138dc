"""From a link's delay to the bytes of struct np_delay."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from netpersona.kinds.persona import layout, quantiles
from netpersona.kinds.persona.coherence import coherence, expected
from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.quantiles import Quantiles


@lru_cache(maxsize=16)
def delay_distribution(link: Link) -> Quantiles | None:
    """Quantiles (ns) of a direction's delay; None when every packet waits the same time."""
    if link.table is not None:
        return quantiles.empirical(link.table) if len(set(link.table)) > 1 else None
    if not link.jitter:
        return None
    if link.distribution == "uniform":
        return quantiles.uniform(link.latency, link.jitter)
    return quantiles.with_moments(link.distribution, link.latency, link.jitter)


def compile_delay(link: Link) -> layout.Delay:
    """The delay of one direction."""
    distribution = delay_distribution(link)
    if distribution is None:
        return layout.Delay(constant_ns=link.table[0] if link.table else link.latency)
    delay = _tabulate(distribution)
    if link.order_free:
        delay.correlation = link.correlation
    elif link.correlation:
        delay.coherence_ns = coherence(distribution, link.correlation)
    return delay


def correlation_at(link: Link, gap_ns: float) -> float | None:
    """Correlation to expect of the delays of successive packets `gap_ns` apart; None without any spread.

    With order kept the correlation asked is a floor (`coherence.expected`). With order free it is exactly
    that of the copula: of normal deviates, and nearly that of the delays.
    """
    distribution = delay_distribution(link)
    if distribution is None:
        return None
    if link.order_free:
        return float(link.correlation)
    return expected(distribution, float(link.correlation), gap_ns)


def correlation_reach(link: Link) -> int | None:
    """The gap (ns) below which order kept ties delays more than asked; None where what is asked is exact."""
    distribution = delay_distribution(link)
    if distribution is None or link.order_free or not link.correlation:
        return None
    return coherence(distribution, link.correlation)


def _tabulate(distribution: Quantiles) -> layout.Delay:
    base = max(0, round(distribution.low))
    span = max(1, round(distribution.high - distribution.low))
    width = distribution.high - distribution.low
    p = _ascending(round(p * quantiles.STEPS) for p, _ in distribution.points)
    x = _ascending(round((x - distribution.low) / width * quantiles.STEPS) for _, x in distribution.points)
    delay = layout.Delay(base_ns=base, span_ns=span, points=len(p))
    for index, point in enumerate(zip(p, x, strict=True)):
        delay.table[index] = point
    return delay


def _ascending(values: Iterable[int]) -> list[int]:
    """Strictly ascending within 32 bits, moving each value as little as it takes."""
    up: list[int] = []
    for value in values:
        up.append(max(value, up[-1] + 1) if up else value)
    last = quantiles.STEPS + 1
    for index in range(len(up) - 1, -1, -1):
        last = up[index] = min(up[index], last - 1)
    return up
