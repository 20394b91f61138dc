"""Requested against achieved: one row a quantity, decided by its confidence interval. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from netpersona.agent.verify.estimates import Estimate, mean, proportion, rank_correlation, rate, width
from netpersona.agent.verify.requested import Requested
from netpersona.agent.verify.rows import Row, Slack, row, verdict
from netpersona.datapath.programs.probes import Probe
from netpersona.kinds.persona.losses import Share

PATH_NS = 400_000
"""What the way itself may add: injection, capture and a late timer on a busy machine."""
PATH_SHARE = 0.01
"""And a percent of what is asked."""
NO_DELAY_NS = 2_000_000
"""Where no delay is asked, an interval that ends above this says nothing."""
NO_SHARE = 0.05
"""Likewise of a share."""
RATE_SHARE = 0.02
OVERLOAD = 1.3
"""A burst must be offered this much faster than the rate to tell it."""
FAR_TAIL = 10.0
"""Standard deviations above the mean beyond which a delay counts as this far: one in a thousand of the
heaviest tail, and enough to keep the interval of a mean honest."""
ENOUGH = 10
"""Probes, counted as if independent, that must have arrived before a delay is judged."""
CORRELATION = "correlation of successive delays (ranks)"


def compare(
    direction: str, wanted: Requested, probes: Sequence[Probe], *, alone: bool = True
) -> Iterator[Row]:
    """Rows for probes that were sent one by one, in the order they were sent.

    `alone`: the workload sent next to nothing meanwhile; its packets would come between the probes.
    """
    arrived = [probe for probe in probes if probe.captured_ns]
    yield _share(direction, "loss", wanted.unseen, [not probe.captured_ns for probe in probes])
    if wanted.unseen.value >= 1:
        return
    yield _share(direction, "duplicate", wanted.doubled, [len(p.captured_ns) > 1 for p in arrived])
    yield _share(direction, "corrupt", wanted.damaged, [probe.corrupted for probe in arrived])
    delayed = [probe for probe in arrived if not (wanted.order_free and len(probe.captured_ns) > 1)]
    if wanted.reorder.value:
        limit = max(PATH_NS, wanted.floor_ns / 2)
        if wanted.floor_ns < 2 * PATH_NS:
            yield Row(direction, "reorder", wanted.reorder.value, None, None, None, "", None)
            return
        yield _share(direction, "reorder", wanted.reorder, [_delay(p) < limit for p in delayed])
        delayed = [probe for probe in delayed if _delay(probe) >= limit]
    yield from _delays(direction, wanted, delayed, alone)


def compare_rate(direction: str, wanted: Requested, burst: Sequence[Probe], *, alone: bool = True) -> Row:
    """The row for a burst that was offered faster than the rate. Others' traffic takes its share of it."""
    captures = sorted((probe.captured_ns[0], probe.length) for probe in burst if probe.captured_ns)
    overload = _offered_bps(burst) / wanted.rate_bps
    behind = _behind_bucket(captures, wanted.burst_bytes, overload) if overload > OVERLOAD else []
    found = _rate(behind) if len(behind) >= ENOUGH else None
    slack = RATE_SHARE * wanted.rate_bps
    if wanted.spread_ns and found is not None:  # jitter shifts one of a pair against the other
        half_ns = (behind[-1][0] - behind[0][0]) / 2
        slack += 2 * wanted.spread_ns / half_ns * wanted.rate_bps
    decided = verdict(found, wanted.rate_bps, Slack(slack, slack))
    if decided == "no" and found is not None and found.value < wanted.rate_bps and not alone:
        decided = None
    return row(direction, "rate", wanted.rate_bps, found, decided, unit="bit/s")


def _rate(behind: Sequence[tuple[int, int]]) -> Estimate | None:
    try:
        return rate([length for _, length in behind], [time_ns for time_ns, _ in behind])
    except ValueError:
        return None


def _offered_bps(burst: Sequence[Probe]) -> float:
    took_ns = burst[-1].sent_ns - burst[0].sent_ns if burst else 0
    return sum(probe.length for probe in burst[1:]) * 8e9 / max(1, took_ns)


def _behind_bucket(
    captures: Sequence[tuple[int, int]], burst_bytes: float, overload: float
) -> list[tuple[int, int]]:
    """What arrived once the token bucket was empty; it fills while it is emptied."""
    total, passes = 0, burst_bytes * overload / (overload - 1)
    for index, (_, length) in enumerate(captures):
        total += length
        if total > passes:
            return list(captures[index:])
    return []


def _delays(direction: str, wanted: Requested, arrived: Sequence[Probe], alone: bool) -> Iterator[Row]:
    gap_ns = _gap_ns(arrived)
    memory = wanted.delay_memory(gap_ns)
    delays = [float(_delay(probe)) for probe in arrived]
    enough = len(delays) / memory >= ENOUGH
    below = PATH_SHARE * wanted.delay_ns
    slack = Slack(below, below + PATH_NS, NO_DELAY_NS)
    found = _mean_delay(wanted, delays, memory) if enough else None
    decided = verdict(found, wanted.delay_ns, slack)
    yield row(direction, "delay", wanted.delay_ns, found, decided, unit="ms", scale=1e6)
    if wanted.spread_ns:
        found = _spread(wanted, delays, memory) if enough else None
        decided = verdict(found, wanted.spread_ns, Slack(slack.above, slack.above))
        name = "jitter (standard deviation)"
        yield row(direction, name, wanted.spread_ns, found, decided, unit="ms", scale=1e6)
    if wanted.correlation:
        yield _correlation(direction, wanted, arrived, gap_ns, alone)


def _mean_delay(wanted: Requested, delays: Sequence[float], memory: float) -> Estimate:
    """Covers the mean of the delays as they are and that without their farthest tail."""
    found = mean(delays, memory=memory, deviation=wanted.spread_ns)
    if not wanted.spread_ns:
        return found
    far = wanted.delay_ns + FAR_TAIL * wanted.spread_ns
    return found.joined(mean([min(d, far) for d in delays], memory=memory, deviation=wanted.spread_ns))


def _spread(wanted: Requested, delays: Sequence[float], memory: float) -> Estimate:
    """The deviation of a distribution of the shape asked whose middle is as wide as that of the delays."""
    found, scale = width(delays, memory=memory), wanted.spread_ns / wanted.inner_ns
    return Estimate(found.value * scale, found.low * scale, found.high * scale)


def _correlation(
    direction: str, wanted: Requested, arrived: Sequence[Probe], gap_ns: float, alone: bool
) -> Row:
    expected = wanted.rank_correlation(gap_ns)
    pairs = [(_delay(a), _delay(b)) for a, b in pairwise(arrived) if b.sequence == a.sequence + 1]
    found = None
    if len(pairs) >= ENOUGH:
        found = rank_correlation([a for a, _ in pairs], [b for _, b in pairs])
    decided = verdict(found, expected, Slack()) if alone else None
    return row(direction, CORRELATION, expected, found, decided)


def _gap_ns(probes: Sequence[Probe]) -> float:
    """Between two probes, usually."""
    gaps = [
        (b.sent_ns - a.sent_ns) / (b.sequence - a.sequence)
        for a, b in pairwise(probes)
        if b.sequence > a.sequence
    ]
    return max(1.0, median(gaps)) if gaps else 1e9


def _delay(probe: Probe) -> int:
    return probe.captured_ns[0] - probe.sent_ns


def _share(direction: str, quantity: str, wanted: Share, hits: Sequence[bool]) -> Row:
    found = proportion(hits, memory=wanted.memory) if hits else None
    decided = verdict(found, wanted.value, Slack(coarse=NO_SHARE))
    return row(direction, quantity, wanted.value, found, decided)
