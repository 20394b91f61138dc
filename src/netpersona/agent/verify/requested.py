"""What a link's document amounts to as figures that probes can be compared with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import asin, pi

from netpersona.agent.verify.estimates import INNER
from netpersona.kinds.persona.coherence import autocorrelation, coherence, rank_autocorrelation
from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.delays import delay_distribution
from netpersona.kinds.persona.limits import burst_of
from netpersona.kinds.persona.losses import Share, chance_share, loss_share
from netpersona.kinds.persona.quantiles import Quantiles

_LAGS = 24


@dataclass(frozen=True)
class Requested:
    """One direction. Delays in nanoseconds, rate in bits a second (0: no limit).

    `unseen`, `doubled` and `damaged` are shares as probes show them: a packet that is both lost and sent
    twice arrives once, and a copy is not corrupted (engine/emulate/src/fates.rs).
    """

    loss: Share
    duplicate: Share
    corrupt: Share
    reorder: Share
    rate_bps: int
    burst_bytes: int
    constant_ns: float
    distribution: Quantiles | None
    correlation: float
    order_free: bool

    @property
    def delay_ns(self) -> float:
        """Mean delay of what is not sent past the delay line."""
        return self.distribution.mean() if self.distribution else self.constant_ns

    @cached_property
    def spread_ns(self) -> float:
        """Standard deviation of that."""
        return self.distribution.deviation() if self.distribution else 0.0

    @property
    def floor_ns(self) -> float:
        """Smallest delay of that."""
        return self.distribution.low if self.distribution else self.constant_ns

    @property
    def inner_ns(self) -> float:
        """How wide the middle of the delays is, as `estimates.width` measures it."""
        table = self.distribution
        return table.at(1 - INNER) - table.at(INNER) if table else 0.0

    @property
    def unseen(self) -> Share:
        return Share(self.loss.value * (1 - self.duplicate.value), self.loss.memory)

    @property
    def doubled(self) -> Share:
        return Share(self._seen(self.duplicate.value * (1 - self.loss.value)), self.duplicate.memory)

    @property
    def damaged(self) -> Share:
        return Share(self._seen(self.corrupt.value * (1 - self.loss.value)), self.corrupt.memory)

    def _seen(self, share: float) -> float:
        """As a share of what arrives."""
        arrives = 1 - self.unseen.value
        return share / arrives if arrives else 0.0

    def delay_memory(self, gap_ns: float) -> float:
        """Integrated autocorrelation time of the delays of packets `gap_ns` apart, in packets."""
        if self.distribution is None:
            return 1.0
        if self.order_free:
            return (1 + self.correlation) / max(1e-6, 1 - self.correlation)
        return _memory(self.distribution, self._step(gap_ns))

    def rank_correlation(self, gap_ns: float) -> float:
        """Spearman's, of successive delays `gap_ns` apart. With order kept it rises with the packet rate."""
        if self.order_free or self.distribution is None:
            return 6 / pi * asin(self.correlation / 2)  # of a Gaussian copula
        return rank_autocorrelation(self.distribution, self._step(gap_ns))

    def _step(self, gap_ns: float) -> float:
        if not self.correlation or self.distribution is None:
            return gap_ns
        return min(gap_ns, coherence(self.distribution, self.correlation))


def requested(link: Link, mtu: int | None = None) -> Requested:
    """Means and shares that a long run of packets should show."""
    return Requested(
        loss=loss_share(link.loss),
        duplicate=chance_share(link.duplicate),
        corrupt=chance_share(link.corrupt),
        reorder=chance_share(link.reorder),
        rate_bps=int(link.bandwidth or 0),
        burst_bytes=burst_of(link, mtu),
        constant_ns=float(link.table[0] if link.table else link.latency),
        distribution=delay_distribution(link),
        correlation=float(link.correlation),
        order_free=link.order_free,
    )


def _memory(distribution: Quantiles, step: float) -> float:
    """1 + 2 Σ correlation(k · step): lags up to ten deviations, at most `_LAGS` of them, evenly thinned."""
    reach = min(distribution.high - distribution.low, 10 * distribution.deviation())
    lags = max(1, int(reach / step))
    stride = max(1, lags // _LAGS)
    correlations = (autocorrelation(distribution, k * step) for k in range(1, lags + 1, stride))
    return 1 + 2 * stride * sum(max(0.0, rho) for rho in correlations)
