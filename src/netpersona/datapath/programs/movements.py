"""From counts that moved in an interval to measured conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from netpersona.kinds import traffic
from netpersona.kinds.measured import DelayBin, Measured, MeasuredDirection, RoundTrip

if TYPE_CHECKING:
    from netpersona._engine import MovedRecord

Bin = tuple[int, int, int]
"""Least, least not counted any more, and how many; bpf/layout.h, `NP_TIME_BUCKETS`."""

_MERGED = 4
"""Buckets in one that is told: four an octave are enough to see a queue by."""


def measured(egress: MovedRecord, ingress: MovedRecord, interval_s: float) -> Measured:
    """Of an attachment over one interval."""
    return Measured(
        interval_s=interval_s, egress=_direction(egress, interval_s), ingress=_direction(ingress, interval_s)
    )


def _direction(moved: MovedRecord, interval_s: float) -> MeasuredDirection:
    tallies, lane = moved["tallies"], moved["lane"]
    (passed, passed_bytes), (detoured, detoured_bytes) = tallies["passed"], tallies["detoured"]
    left = max(0, lane["emitted"] - lane["dropped_emit"])
    drops = {why: tallies[key][0] for key, why in traffic.KERNEL_DROPS.items()}
    drops |= {why: lane[key] for key, why in traffic.ENGINE_DROPS.items()}
    in_engine = detoured or lane["emitted"] or lane["held"]
    return MeasuredDirection(
        throughput_bit_s=max(0, passed_bytes - detoured_bytes + moved["left_bytes"]) * 8 / interval_s,
        packets_s=max(0, passed - detoured + left) / interval_s,
        dropped_packets={why: count for why, count in drops.items() if count},
        rtt=round_trip(moved["round_trip_us"]),
        loss=min(1.0, moved["retransmitted"] / moved["segments"]) if moved["segments"] else None,
        loss_packets=moved["segments"] or None,
        jitter_ms=moved["variation_us"] / moved["variations"] / 1e3 if moved["variations"] else None,
        queue_depth_packets=moved["held_ns"] / 1e9 / interval_s if in_engine else None,
        delay=tuple(delays(moved["held_us"])) or None,
    )


def round_trip(bins: Sequence[Bin]) -> RoundTrip | None:
    """None where there is no sample."""
    if not bins:
        return None
    low, high, _ = bins[0]
    return RoundTrip(
        min_ms=_middle(low, high) / 1e3,
        median_ms=quantile(bins, 0.5) / 1e3,
        p95_ms=quantile(bins, 0.95) / 1e3,
        samples=sum(count for _, _, count in bins),
    )


def quantile(bins: Sequence[Bin], share: float) -> float:
    """What `share` of the counted is below, as if each bin were evenly filled."""
    wanted = share * sum(count for _, _, count in bins)
    for low, high, count in bins:
        if wanted <= count:
            return low + (high - low) * wanted / count
        wanted -= count
    return float(bins[-1][1])


def delays(bins: Iterable[Bin]) -> Iterable[DelayBin]:
    """Four bins an octave; an empty one stands below each that does not follow the one before."""
    told: dict[tuple[int, int], int] = {}
    for low, high, count in bins:
        width = (high - low) * _MERGED
        start = low - low % width
        told[start, start + width] = told.get((start, start + width), 0) + count
    below = 0
    for (start, end), count in told.items():
        if start != below:
            yield DelayBin(below_us=float(start), packets=0)
        yield DelayBin(below_us=float(end), packets=count)
        below = end


def _middle(low: int, high: int) -> float:
    return (low + high) / 2
