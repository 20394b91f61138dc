import pytest
from tests.unit.agent.verify.links import link, travel, wanted

from netpersona.agent.verify.estimates import rank_correlation
from netpersona.datapath import Train

MS = 1_000_000


def test_uniform_jitter_is_half_a_width() -> None:
    assert wanted(latency="10ms", jitter="3ms").spread_ns == pytest.approx(3e6 / 3**0.5)


def test_other_jitter_is_a_standard_deviation() -> None:
    assert wanted(latency="10ms", jitter="3ms", distribution="normal").spread_ns == pytest.approx(3e6)


def test_a_table_has_its_own_mean_and_spread() -> None:
    found = wanted(distribution="table", table=["10ms", "20ms"])
    assert (found.delay_ns, found.floor_ns) == (15e6, 10e6)
    assert found.spread_ns == pytest.approx(10e6 / 12**0.5)


def test_what_is_lost_and_sent_twice_arrives_once() -> None:
    """engine/emulate/src/fates.rs: the copy of a lost packet is not lost, nor is it corrupted."""
    found = wanted(loss="10%", duplicate="20%", corrupt="5%")
    assert found.unseen.value == pytest.approx(0.08)
    assert found.doubled.value == pytest.approx(0.18 / 0.92)
    assert found.damaged.value == pytest.approx(0.045 / 0.92)


def test_no_limit_is_rate_zero() -> None:
    assert wanted().rate_bps == 0


def test_dense_packets_remember_delays_longer() -> None:
    found = wanted(latency="100ms", jitter="20ms", distribution="normal")
    assert (
        found.delay_memory(1 * MS) > 4 * found.delay_memory(10 * MS) > 4 * found.delay_memory(1000 * MS) >= 4
    )


@pytest.mark.parametrize("interval_ms", [2, 5, 200])
def test_correlation_with_order_kept_rises_with_the_packet_rate(interval_ms: int) -> None:
    asked = {"latency": "40ms", "jitter": "10ms", "distribution": "normal", "correlation": "25%"}
    probes = travel(link(**asked), Train("egress", 3000, interval_ms * MS), seed=1)
    delays = [float(probe.captured_ns[0] - probe.sent_ns) for probe in probes]
    shown = rank_correlation(delays[:-1], delays[1:]).value
    assert wanted(**asked).rank_correlation(interval_ms * MS) == pytest.approx(shown, abs=0.05)


def test_correlation_with_order_free_is_as_asked() -> None:
    found = wanted(latency="40ms", jitter="10ms", distribution="normal", order="free", correlation="50%")
    assert found.rank_correlation(1) == found.rank_correlation(10**9) == pytest.approx(0.4826, abs=1e-3)
