"""What the link does to real packets, judged by statistics.

Seeds are fixed and neighbours permanent, so the engine decides alike in every run. Tests of a
distribution reject at 0.001, those of a rate at 1 %.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, ping_ms, tcp_bits_per_s, tcp_flow
from lab.traffic import Records, delays_ms, exchange, missing, reordered
from numpy.typing import NDArray
from scipy import stats

pytestmark = pytest.mark.netns

SIGNIFICANCE = 0.001
DIRECTIONS = ("egress", "ingress")


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def both_ways(
    host: AttachedHost, *, count: int, interval_s: float, ipv6: bool = False, **options: int
) -> dict[str, Records]:
    """The same flow from and to the subject at once."""
    egress = flow(host.subject, host.peer, count=count, interval_s=interval_s, ipv6=ipv6, number=0, **options)
    ingress = flow(
        host.peer, host.subject, count=count, interval_s=interval_s, ipv6=ipv6, number=1, **options
    )
    return dict(zip(DIRECTIONS, exchange([egress, ingress]), strict=True))


def put_on_both(host: AttachedHost, conditions: Mapping[str, Any], **persona: Any) -> None:
    host.put_on({"seed": 7, "egress": dict(conditions), "ingress": dict(conditions), **persona})


def runs(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of losses."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    return edges[1::2] - edges[0::2]


def losses(records: Records, count: int) -> NDArray[np.bool_]:
    lost = np.ones(count, dtype=bool)
    lost[records["sequence"].astype(int)] = False
    return lost


def assert_run_lengths(lengths: NDArray[np.int64], stay: float) -> None:
    """Chi-square of run lengths against the geometric distribution with ``stay`` = P(one more)."""
    bins = next(k for k in range(1, 50) if len(lengths) * stay**k < 10)
    observed = [np.count_nonzero(lengths == k) for k in range(1, bins)] + [np.count_nonzero(lengths >= bins)]
    expected = [len(lengths) * stay ** (k - 1) * (1 - stay) for k in range(1, bins)]
    expected.append(len(lengths) * stay ** (bins - 1))
    assert stats.chisquare(observed, expected).pvalue > SIGNIFICANCE


# Independent losses of 5 %, losses that come in runs, and bursts with a mean of four packets.
LOSSES: list[tuple[str, Any, float, float]] = [
    ("bernoulli", "5%", 0.05, 0.05),
    ("correlated", {"probability": "5%", "correlation": "40%"}, 0.05, 0.05 + 0.4 * 0.95),
    ("gilbert", {"model": "gilbert_elliott", "p": "2%", "r": "25%"}, 0.02 / 0.27, 0.75),
]


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(("name", "loss", "rate", "stay"), LOSSES, ids=[row[0] for row in LOSSES])
def test_loss_has_the_rate_and_the_bursts_asked_for(
    host: AttachedHost, name: str, loss: Any, rate: float, stay: float, ipv6: bool
) -> None:
    count = 12_000
    put_on_both(host, {"loss": loss})
    for direction, records in both_ways(host, count=count, interval_s=0.002, burst=10, ipv6=ipv6).items():
        lost = losses(records, count)
        lengths = runs(lost)
        assert_run_lengths(lengths, stay)
        # The count of losses of a two-state chain has (1 + r) / (1 - r) times the binomial variance.
        correlation = (stay - rate) / (1 - rate)
        deviation = np.sqrt(count * rate * (1 - rate) * (1 + correlation) / (1 - correlation))
        z = (lost.sum() - count * rate) / deviation
        assert 2 * stats.norm.sf(abs(z)) > SIGNIFICANCE, (name, direction, lost.sum())


def test_four_state_loss_has_its_stationary_rate(host: AttachedHost) -> None:
    count = 12_000
    p13, p31, p32, p23, p14 = 0.02, 0.30, 0.10, 0.40, 0.005
    put_on_both(
        host, {"loss": {"model": "four_state", "p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}}
    )
    chain = np.array(
        [[1 - p13 - p14, 0, p13, p14], [0, 1 - p23, p23, 0], [p31, p32, 1 - p31 - p32, 0], [1, 0, 0, 0]]
    )
    stationary = np.linalg.matrix_power(chain, 10_000)[0]
    rate = float(stationary[2] + stationary[3])
    for records in both_ways(host, count=count, interval_s=0.002, burst=10).values():
        assert losses(records, count).mean() == pytest.approx(rate, rel=0.15)


def test_loss_is_decided_for_each_segment_of_a_gso_packet(host: AttachedHost) -> None:
    """Segments of a UDP GSO packet are lost one by one, not all together."""
    count, burst = 20_000, 20
    put_on_both(host, {"loss": "5%"})
    for records in both_ways(
        host, count=count, interval_s=0.004, burst=burst, size=400, segment=400
    ).values():
        per_packet = losses(records, count).reshape(-1, burst).sum(axis=1)
        observed = [np.count_nonzero(per_packet == k) for k in range(4)] + [np.count_nonzero(per_packet >= 4)]
        expected = [len(per_packet) * stats.binom.pmf(k, burst, 0.05) for k in range(4)]
        expected.append(len(per_packet) - sum(expected))
        assert stats.chisquare(observed, expected).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_duplicates_come_as_often_as_asked(host: AttachedHost, ipv6: bool) -> None:
    count = 8_000
    put_on_both(host, {"duplicate": "10%"})
    for records in both_ways(host, count=count, interval_s=0.002, burst=8, ipv6=ipv6).values():
        assert missing(records, count) == 0
        twice = records.size - count
        assert stats.binomtest(twice, count, 0.10).pvalue > SIGNIFICANCE


def test_corrupted_datagrams_are_refused_by_the_receivers_checksum(host: AttachedHost) -> None:
    count = 8_000
    put_on_both(host, {"corrupt": "5%"})
    for records in both_ways(host, count=count, interval_s=0.002, burst=8).values():
        # A flipped bit of an address or a port goes astray; one anywhere else fails a checksum.
        assert stats.binomtest(missing(records, count), count, 0.05).pvalue > SIGNIFICANCE


LATENCY_MS, JITTER_MS = 6.0, 1.5
_pareto = stats.pareto(3)
_pareto_scale = JITTER_MS / _pareto.std()
SHAPES: dict[str, Any] = {
    "uniform": stats.uniform(LATENCY_MS - JITTER_MS, 2 * JITTER_MS),
    "normal": stats.norm(LATENCY_MS, JITTER_MS),
    "pareto": stats.pareto(3, loc=LATENCY_MS - _pareto.mean() * _pareto_scale, scale=_pareto_scale),
}


@pytest.fixture(scope="module")
def own_ms(host: AttachedHost) -> float:
    """What the path and the machine's timer add to a constant delay."""
    put_on_both(host, {"latency": f"{LATENCY_MS}ms"})
    arrived = both_ways(host, count=300, interval_s=0.012).values()
    return float(np.median([np.median(delays_ms(records)) for records in arrived])) - LATENCY_MS


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("distribution", [*SHAPES, "paretonormal"])
def test_delay_has_the_shape_asked_for(
    host: AttachedHost, own_ms: float, distribution: str, ipv6: bool
) -> None:
    count = 300
    put_on_both(
        host, {"latency": f"{LATENCY_MS}ms", "jitter": f"{JITTER_MS}ms", "distribution": distribution}
    )
    for direction, records in both_ways(host, count=count, interval_s=0.009, ipv6=ipv6).items():
        delays = delays_ms(records) - own_ms
        assert len(delays) == count
        if distribution in SHAPES:
            result = stats.kstest(delays, SHAPES[distribution].cdf)
            assert result.pvalue > SIGNIFICANCE, (direction, result)
        else:
            spread = JITTER_MS / np.sqrt(count)
            assert delays.mean() == pytest.approx(LATENCY_MS, abs=4 * spread)
            assert delays.std() == pytest.approx(JITTER_MS, rel=0.35)  # heavy tail: a few rule the spread


def test_jitter_keeps_order_mean_and_spread_at_a_high_rate(host: AttachedHost) -> None:
    """Packets four times closer than the jitter: netem would reorder them, or spoil the distribution."""
    count = 8_000
    put_on_both(host, {"latency": "10ms", "jitter": "2ms", "distribution": "normal"})
    for records in both_ways(host, count=count, interval_s=0.0005).values():
        delays = delays_ms(records)
        assert reordered(records) == 0
        assert missing(records, count) == 0
        assert delays.mean() == pytest.approx(10, rel=0.04)
        assert delays.std() == pytest.approx(2, rel=0.12)


def test_a_small_delay_with_wide_jitter_does_not_pile_up_at_zero(host: AttachedHost) -> None:
    count = 400
    put_on_both(host, {"latency": "3ms", "jitter": "2ms", "distribution": "normal"})
    for records in both_ways(host, count=count, interval_s=0.012).values():
        delays = delays_ms(records)
        assert delays.mean() == pytest.approx(3, abs=4 * 2 / np.sqrt(count))
        assert delays.std() == pytest.approx(2, rel=0.15)
        assert np.count_nonzero(delays < 0.1) < count * 0.06  # netem leaves 6.7 % at zero


def test_reordering_on_request_sends_a_share_at_once(host: AttachedHost) -> None:
    count = 4_000
    put_on_both(host, {"latency": "5ms", "reorder": "10%"})
    for records in both_ways(host, count=count, interval_s=0.001).values():
        at_once = int(np.count_nonzero(delays_ms(records) < 2.5))
        assert stats.binomtest(at_once, count, 0.10).pvalue > SIGNIFICANCE
        assert reordered(records) > 0


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_udp_gets_the_bandwidth_asked_for(host: AttachedHost, ipv6: bool) -> None:
    size, rate = 1200, 20e6
    put_on_both(host, {"bandwidth": "20mbit"})
    overhead = 62 if ipv6 else 42
    for records in both_ways(host, count=6_000, interval_s=0.001, burst=3, size=size, ipv6=ipv6).values():
        arrived = np.sort(records["received_ns"].astype(np.int64))[200:]
        seconds = (arrived[-1] - arrived[0]) / 1e9
        assert (len(arrived) - 1) * (size + overhead) * 8 / seconds == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_no_more_than_the_burst_comes_beside_the_rate(host: AttachedHost, direction: str) -> None:
    """From the first packet on: what a full bucket and the rate allow, 100 ms in and at any other time."""
    rate, size, burst = 200e6, 1400, 200e6 * 0.004 / 8
    host.put_on({direction: {"bandwidth": "200mbit"}})
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    load = flow(*ends, count=4_000, interval_s=0.0005, burst=40, size=size, segment=size)
    records = exchange([load])[0]
    after_s = (np.sort(records["received_ns"].astype(np.int64)) - int(records["sent_ns"].min())) / 1e9
    carried = np.arange(1, len(after_s) + 1) * (size + 42)
    assert np.all(carried <= burst + rate / 8 * after_s + size)
    assert after_s[-1] > 0.1


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tcp_with_gso_gets_the_bandwidth_asked_for(host: AttachedHost, direction: str, ipv6: bool) -> None:
    host.put_on({direction: {"bandwidth": "80mbit"}})
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    payload = 1500 - (72 if ipv6 else 52)  # IP, TCP and its timestamps
    with tcp_flow(*ends, ipv6=ipv6) as bulk:
        time.sleep(1.5)  # slow start
        rates = np.array(bulk.rates(7)) * 1514 / payload
    assert np.median(rates) == pytest.approx(80e6, rel=0.01), rates


def test_tcp_survives_everything_at_once_undamaged(host: AttachedHost) -> None:
    put_on_both(
        host,
        {
            "latency": "2ms",
            "jitter": "500us",
            "loss": "0.5%",
            "duplicate": "1%",
            "corrupt": "0.5%",
            "bandwidth": "50mbit",
        },
    )
    assert tcp_bits_per_s(host.subject, host.peer, seconds=2) > 1e6


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_icmp_is_delayed_and_lost_as_asked(host: AttachedHost, ipv6: bool) -> None:
    count = 500
    host.put_on(
        {"seed": 11, "egress": {"latency": "4ms", "loss": "5%"}, "ingress": {"latency": "3ms", "loss": "5%"}}
    )
    address = host.peer.ipv6 if ipv6 else host.peer.ipv4
    times = ping_ms(host.subject, address, count=count, interval_s=0.004)
    assert np.median(times) == pytest.approx(7, abs=0.6)
    assert stats.binomtest(len(times), count, 0.95**2).pvalue > SIGNIFICANCE


def test_the_same_seed_and_packets_give_the_same_decisions(host: AttachedHost) -> None:
    count = 4_000
    arrived = []
    for seed in (5, 5, 6):
        host.put_on({"seed": seed, "egress": {"loss": "10%"}})
        records = exchange([flow(host.subject, host.peer, count=count, interval_s=0.002, burst=10)])[0]
        arrived.append(set(records["sequence"].tolist()))
    assert arrived[0] == arrived[1]
    assert arrived[0] != arrived[2]
