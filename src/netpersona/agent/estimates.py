"""Confidence intervals for what a link did to a series of probes. Pure, standard library only.

Successive packets of a link are not independent (bursty loss, jitter that keeps order), so every
interval is widened by the series' own autocorrelation: n samples count as n / tau, where tau is
the integrated autocorrelation time with the initial positive sequence cut-off
(C. Geyer, Practical Markov Chain Monte Carlo, 1992).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

CONFIDENCE = 0.999
"""Two-sided. A run of ten rows raises a false alarm about once in a hundred."""


@dataclass(frozen=True)
class Estimate:
    """A value and the interval that covers the true one with the confidence asked for."""

    value: float
    low: float
    high: float

    def covers(self, requested: float, *, below: float = 0.0, above: float = 0.0) -> bool:
        """Whether `requested` fits, allowing the achieved value to be `below` under or `above` over it."""
        return self.low - above <= requested <= self.high + below


def wilson(successes: float, trials: float, confidence: float = CONFIDENCE) -> Estimate:
    """Wilson score interval of a proportion (E. B. Wilson, 1927). Needs at least one trial."""
    if trials <= 0:
        raise ValueError("no trial: a proportion needs at least one")
    z = _normal_quantile(confidence)
    p = successes / trials
    scale = 1 + z * z / trials
    centre = (p + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return Estimate(p, max(0.0, centre - half), min(1.0, centre + half))


def proportion(hits: Sequence[bool], confidence: float = CONFIDENCE) -> Estimate:
    """How often something happened in a series of trials, in the order they were made."""
    effective = effective_size([float(hit) for hit in hits])
    return wilson(sum(hits) / len(hits) * effective, effective, confidence)


def mean(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean with a Student interval, in the unit of the samples. Needs two samples."""
    effective = effective_size(samples)
    centre = fmean(samples)
    half = _student_quantile(confidence, effective - 1) * _deviation(samples) / math.sqrt(effective)
    return Estimate(centre, centre - half, centre + half)


def deviation(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Standard deviation, for any distribution with a fourth moment (delta method)."""
    centre = fmean(samples)
    squares = [(sample - centre) ** 2 for sample in samples]
    spread = mean(squares, confidence)
    value = _deviation(samples)
    return Estimate(value, math.sqrt(max(0.0, spread.low)), max(value, math.sqrt(spread.high)))


def rate(sizes: Sequence[int], times_ns: Sequence[int], timer_error_ns: int = 200_000) -> Estimate:
    """Bits a second of a burst by its departures; the first packet only starts the clock.

    The interval is one packet (where in the burst the bucket stood) and one `timer_error_ns`.
    """
    if len(sizes) != len(times_ns) or len(sizes) < 3 or times_ns[-1] <= times_ns[0]:
        raise ValueError("a rate needs three packets that left at different times")
    span_ns = times_ns[-1] - times_ns[0]
    value = sum(sizes[1:]) * 8e9 / span_ns
    slack = 1 / (len(sizes) - 1) + timer_error_ns / span_ns
    return Estimate(value, value * max(0.0, 1 - slack), value * (1 + slack))


def effective_size(samples: Sequence[float]) -> float:
    """How many independent samples a series is worth: between 2 and its length."""
    if len(samples) < 2:
        raise ValueError("one sample has no spread: at least two are needed")
    centre = fmean(samples)
    offsets = [sample - centre for sample in samples]
    variance = sum(offset * offset for offset in offsets)
    if variance <= 1e-18 * max(1.0, centre * centre) * len(samples):
        return float(len(samples))
    return min(float(len(samples)), max(2.0, len(samples) / _correlation_time(offsets, variance)))


def _correlation_time(offsets: Sequence[float], variance: float) -> float:
    tau = 1.0
    for lag in range(1, len(offsets) // 2, 2):
        pair = _correlation(offsets, variance, lag) + _correlation(offsets, variance, lag + 1)
        if pair <= 0:
            break
        tau += 2 * pair
    return max(1.0, tau)


def _correlation(offsets: Sequence[float], variance: float, lag: int) -> float:
    return sum(a * b for a, b in zip(offsets, offsets[lag:], strict=False)) / variance


def _deviation(samples: Sequence[float]) -> float:
    centre = fmean(samples)
    return math.sqrt(sum((sample - centre) ** 2 for sample in samples) / (len(samples) - 1))


def _normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _student_quantile(confidence: float, freedom: float) -> float:
    """Cornish-Fisher expansion around the normal (Abramowitz and Stegun 26.7.5)."""
    z = _normal_quantile(confidence)
    v = max(1.0, freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
