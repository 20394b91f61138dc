"""Confidence intervals for what a link did to a series of probes. Pure, standard library only.

Successive packets of a link are not independent (bursty loss, jitter that keeps order), so n samples
count as n / tau only, where tau is the integrated autocorrelation time: the larger one of what the
persona's own model says (`memory`) and what the series shows (initial positive sequence cut-off:
C. Geyer, Practical Markov Chain Monte Carlo, 1992). A series too short to show a burst says nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

CONFIDENCE = 0.999
"""Two-sided. A run of ten rows raises a false alarm about once in a hundred."""
LONGEST_LAG = 100
"""Of the autocorrelation that is estimated from a series."""


@dataclass(frozen=True)
class Estimate:
    """A value and the interval that covers the true one with the confidence asked for."""

    value: float
    low: float
    high: float

    def covers(self, requested: float, *, below: float = 0.0, above: float = 0.0) -> bool:
        """Whether `requested` fits, allowing the achieved value to be `below` under or `above` over it."""
        return self.low - above <= requested <= self.high + below

    def joined(self, other: Estimate) -> Estimate:
        """The same value, covering what either covers."""
        return Estimate(self.value, min(self.low, other.low), max(self.high, other.high))


def binomial(successes: float, trials: float, confidence: float = CONFIDENCE) -> Estimate:
    """Exact interval of a proportion (Clopper and Pearson, 1934), also for counts that are not whole.

    Its ends are exactly 0 and 1 where nothing or everything happened.
    """
    if trials <= 0:
        raise ValueError("no trial: a proportion needs at least one")
    tail, failures = (1 - confidence) / 2, trials - successes
    low = _beta_quantile(tail, successes, failures + 1) if successes > 0 else 0.0
    high = _beta_quantile(1 - tail, successes + 1, failures) if failures > 0 else 1.0
    return Estimate(successes / trials, low, high)


def proportion(hits: Sequence[bool], *, memory: float = 1.0, confidence: float = CONFIDENCE) -> Estimate:
    """How often something happened in a series of trials, in the order they were made."""
    count, total = sum(hits), len(hits)
    if count in (0, total):
        effective = max(1.0, total / memory)
        return binomial(effective if count else 0.0, effective, confidence)
    share = effective_size([float(hit) for hit in hits], memory=memory) / total
    return binomial(count * share, total * share, confidence)


def mean(
    samples: Sequence[float], *, memory: float = 1.0, deviation: float = 0.0, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean with a Student interval, in the unit of the samples; not narrower than `deviation` says."""
    effective = effective_size(samples, memory=memory)
    centre = fmean(samples)
    half = _student_quantile(confidence, effective - 1) * _deviation(samples)
    half = max(half, _normal_quantile(confidence) * deviation) / math.sqrt(effective)
    return Estimate(centre, centre - half, centre + half)


INNER = 0.1
"""`width` is that of the middle 80 %."""


def width(samples: Sequence[float], *, memory: float = 1.0, confidence: float = CONFIDENCE) -> Estimate:
    """From the 10 % to the 90 % quantile. Distribution-free: order statistics, a tail each (Bonferroni)."""
    ordered = sorted(samples)
    effective = effective_size(samples, memory=memory)
    tails = [
        _quantile(ordered, binomial(effective * share, effective, 1 - (1 - confidence) / 2))
        for share in (INNER, 1 - INNER)
    ]
    low, high = tails
    return Estimate(high.value - low.value, max(0.0, high.low - low.high), high.high - low.low)


def _quantile(ordered: Sequence[float], at: Estimate) -> Estimate:
    last = len(ordered) - 1
    value = ordered[round(at.value * last)]
    return Estimate(value, ordered[math.floor(at.low * last)], ordered[math.ceil(at.high * last)])


def rank_correlation(samples: Sequence[float], followers: Sequence[float]) -> Estimate:
    """Spearman's correlation of pairs that follow each other in time. Needs three pairs."""
    first, second = _ranks(samples), _ranks(followers)
    return mean([12 * a * b for a, b in zip(first, second, strict=True)])


def _ranks(samples: Sequence[float]) -> list[float]:
    """From -1/2 to 1/2; scaled so that their mean square is 1/12, which is a uniform distribution's."""
    order = sorted(range(len(samples)), key=samples.__getitem__)
    scale = 1 / math.sqrt(len(samples) ** 2 - 1)
    ranks = [0.0] * len(samples)
    for rank, index in enumerate(order):
        ranks[index] = (rank - (len(samples) - 1) / 2) * scale
    return ranks


def rate(sizes: Sequence[int], times_ns: Sequence[int], timer_error_ns: int = 800_000) -> Estimate:
    """Bits a second by the departures of packets that followed each other without a pause.

    Each packet is paired with the one half the series later: the middle pair gives the value, the middle
    90 % the interval, widened by one packet (where in the series a bucket stood) and one `timer_error_ns`.
    """
    half = len(sizes) // 2
    if len(sizes) != len(times_ns) or half < 2 or times_ns[-half - 1] <= times_ns[0]:
        raise ValueError("a rate needs four packets that left at different times")
    total = [0]
    for size in sizes:
        total.append(total[-1] + size)
    spans = [(total[i + half + 1] - total[i + 1], times_ns[i + half] - times_ns[i]) for i in range(half)]
    rates = sorted(sent * 8e9 / took for sent, took in spans if took > 0)
    value, last = rates[len(rates) // 2], len(rates) - 1
    slack = 1 / half + timer_error_ns / max(1, min(took for _, took in spans if took > 0))
    low, high = rates[math.floor(0.05 * last)], rates[math.ceil(0.95 * last)]
    return Estimate(value, low * max(0.0, 1 - slack), high * (1 + slack))


def effective_size(samples: Sequence[float], *, memory: float = 1.0) -> float:
    """How many independent samples a series is worth: between 2 and its length."""
    if len(samples) < 2:
        raise ValueError("one sample has no spread: at least two are needed")
    tau = max(memory, _correlation_time(samples))
    return min(float(len(samples)), max(2.0, len(samples) / tau))


def _correlation_time(samples: Sequence[float]) -> float:
    centre = fmean(samples)
    offsets = [sample - centre for sample in samples]
    variance = math.fsum(offset * offset for offset in offsets)
    if variance <= 1e-18 * max(1.0, centre * centre) * len(samples):
        return 1.0
    tau = 1.0
    for lag in range(1, min(LONGEST_LAG, len(offsets) // 2), 2):
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


def _beta_quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(middle, a, b) < p else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function (W. H. Press and others, Numerical Recipes, section 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Its continued fraction, by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            c, d = 1 + step / c, 1 / (1 + step * d)
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value
