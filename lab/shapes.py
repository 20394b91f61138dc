"""Whether what arrived has the statistics asked for; p-values, so that one threshold serves all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lab.attached_host import AttachedHost
from lab.measure import flow
from lab.netem import beside, netem
from lab.rows import Figure
from lab.traffic import Records, delays_ms, exchange

SIGNIFICANCE = 0.001
LEAST_EXPECTED = 10  # a bin of a chi-square test with fewer is merged with the next


def losses(records: Records, count: int) -> NDArray[np.bool_]:
    """For each of ``count`` datagrams, whether it never arrived."""
    lost = np.ones(count, dtype=bool)
    lost[records["sequence"].astype(int)] = False
    return lost


def run_lengths(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of losses."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    return edges[1::2] - edges[0::2]


def run_length_p_value(lengths: NDArray[np.int64], stay: float) -> float:
    """Chi-square against the geometric distribution in which a run goes on with probability ``stay``."""
    bins = next(k for k in range(1, 100) if len(lengths) * stay**k < LEAST_EXPECTED)
    observed = [np.count_nonzero(lengths == k) for k in range(1, bins)] + [np.count_nonzero(lengths >= bins)]
    expected = [len(lengths) * stay ** (k - 1) * (1 - stay) for k in range(1, bins)]
    expected.append(len(lengths) * stay ** (bins - 1))
    return float(stats.chisquare(observed, expected).pvalue)


def rate_p_value(lost: NDArray[np.bool_], rate: float, stay: float) -> float:
    """Two-sided, for a two-state chain: (1 + r) / (1 - r) times the binomial variance, r its correlation."""
    correlation = (stay - rate) / (1 - rate)
    variance = lost.size * rate * (1 - rate) * (1 + correlation) / (1 - correlation)
    return float(2 * stats.norm.sf(abs(lost.sum() - lost.size * rate) / np.sqrt(variance)))


def shape_figures(host: AttachedHost) -> Iterator[Figure]:
    """Loss, bursts, duplicates and delay distributions on real packets, seeds fixed."""
    for name, loss, theirs, rate, stay in (
        ("independent loss of 5 %", "5%", ("random", "5%"), 0.05, 0.05),
        (
            "Gilbert-Elliott loss",
            {"model": "gilbert_elliott", "p": "2%", "r": "25%"},
            ("gemodel", "2%", "25%"),
            0.02 / 0.27,
            0.75,
        ),
    ):
        load = {"count": 12_000, "interval_s": 0.002, "burst": 10}
        lost = losses(_egress(host, {"loss": loss}, **load), 12_000)

        def rated(records: Records, rate: float = rate, stay: float = stay) -> float:
            return rate_p_value(losses(records, 12_000), rate, stay)

        peer = _netem(host, ("loss", *theirs), rated, **load)
        yield _p_value(f"{name}: rate", rate_p_value(lost, rate, stay), peer)
        yield _p_value(f"{name}: burst lengths", run_length_p_value(run_lengths(lost), stay))
    yield from _duplicates(host)
    yield from _delays(host)


def _duplicates(host: AttachedHost) -> Iterator[Figure]:
    def p_value(records: Records) -> float:
        return float(stats.binomtest(records.size - 8_000, 8_000, 0.1).pvalue)

    load = {"count": 8_000, "interval_s": 0.002, "burst": 8}
    peer = _netem(host, ("duplicate", "10%"), p_value, **load)
    yield _p_value("duplication of 10 %", p_value(_egress(host, {"duplicate": "10%"}, **load)), peer)


def _delays(host: AttachedHost) -> Iterator[Figure]:
    constant = _egress(host, {"latency": "6ms"}, count=300, interval_s=0.012)
    own_ms = float(np.median(delays_ms(constant))) - 6  # what path and timer add
    for name, expected in (("uniform", stats.uniform(4.5, 3)), ("normal", stats.norm(6, 1.5))):

        def p_value(records: Records, cdf: Callable[..., Any] = expected.cdf) -> float:
            return float(stats.kstest(delays_ms(records) - own_ms, cdf).pvalue)

        conditions = {"latency": "6ms", "jitter": "1.5ms", "distribution": name}
        load = {"count": 300, "interval_s": 0.012}
        theirs = ("delay", "6ms", "1.5ms", "distribution", name)
        peer = _netem(host, theirs[:3] if name == "uniform" else theirs, p_value, **load)
        yield _p_value(f"{name} delay", p_value(_egress(host, conditions, **load)), peer)


def _netem(
    host: AttachedHost, options: tuple[str, ...], p_value: Callable[[Records], float], **load: Any
) -> str:
    """The p-value of the same conditions by netem, which the workload itself wears."""
    with netem(host.subject, *options) as missing:
        if missing is not None:
            return beside(missing, "")
        host.put_on({})
        return beside(None, f"{p_value(exchange([flow(host.subject, host.peer, **load)])[0]):.3g}")


def _egress(host: AttachedHost, conditions: dict[str, Any], **load: Any) -> Records:
    host.put_on({"seed": 7, "egress": conditions})
    return exchange([flow(host.subject, host.peer, **load)])[0]


def _p_value(what: str, value: float, peer: str = "") -> Figure:
    return Figure(f"{what}, p-value", value, "", lower=SIGNIFICANCE, peer=peer)
