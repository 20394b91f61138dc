"""What a link's document amounts to as figures that probes can be compared with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev

from netpersona.persona.conditions import Chance, FourState, GilbertElliott, Link

DEFAULT_BURST_S = 0.004
FULL_FRAME = 1514


@dataclass(frozen=True)
class Requested:
    """One direction. Delays in nanoseconds, rate in bits a second (0: no limit), the rest 0 to 1."""

    delay_ns: float
    spread_ns: float
    loss: float
    duplicate: float
    corrupt: float
    reorder: float
    rate_bps: int
    burst_bytes: float


def requested(link: Link) -> Requested:
    """Means and shares that a long run of packets should show."""
    delay_ns, spread_ns = _delay(link)
    reorder = _share(link.reorder)
    # Reordered packets skip the delay: the mixture has less mean and another spread.
    mean_ns = delay_ns * (1 - reorder)
    square = (1 - reorder) * (spread_ns**2 + delay_ns**2)
    return Requested(
        delay_ns=mean_ns,
        spread_ns=sqrt(max(0.0, square - mean_ns**2)),
        loss=loss_rate(link.loss),
        duplicate=_share(link.duplicate),
        corrupt=_share(link.corrupt),
        reorder=reorder,
        rate_bps=int(link.bandwidth or 0),
        burst_bytes=float(link.burst or _default_burst(link)),
    )


def loss_rate(loss: Chance | GilbertElliott | FourState | None) -> float:
    """Long-run share of packets lost."""
    if loss is None or not loss.acts:
        return 0.0
    if isinstance(loss, Chance):
        return float(loss.probability)
    if isinstance(loss, GilbertElliott):
        bad = loss.p / (loss.p + loss.r) if loss.p + loss.r else 0.0
        return float((1 - bad) * loss.loss_good + bad * loss.loss_bad)
    return _four_state(loss)


def _four_state(loss: FourState) -> float:
    """Stationary share of the states 3 and 4 (Salsano et al. 2012, section 3), up to the scale of state 1."""
    if not loss.p31:
        return 1.0 if loss.p13 else float(loss.p14 / (1 + loss.p14))
    three = loss.p13 / loss.p31
    two = three * loss.p32 / loss.p23 if loss.p23 else 0.0
    four = float(loss.p14)
    return float((three + four) / (1 + two + three + four))


def _delay(link: Link) -> tuple[float, float]:
    if link.table is not None:
        return fmean(link.table), pstdev(link.table)
    spread_ns = link.jitter / sqrt(3) if link.distribution == "uniform" else float(link.jitter)
    return float(link.latency), spread_ns


def _default_burst(link: Link) -> float:
    return max(2 * FULL_FRAME, (link.bandwidth or 0) / 8 * DEFAULT_BURST_S)


def _share(chance: Chance | None) -> float:
    return float(chance.probability) if chance else 0.0
