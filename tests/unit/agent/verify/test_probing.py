from typing import Any

import pytest
from tests.unit.agent.verify.links import wanted

from netpersona.agent.verify.probing import LINK_SHARE, Plan, ProbeRequest, plan

MS, SECOND = 1_000_000, 10**9
USUAL = ProbeRequest()


def of(request: ProbeRequest = USUAL, **egress: Any) -> Plan:
    return plan({"egress": wanted(**egress), "ingress": wanted()}, request)


def test_a_clean_persona_is_probed_in_both_directions_at_once() -> None:
    found = of()
    assert [(t.direction, t.count, t.interval_ns) for t in found.trains] == [
        ("egress", 200, 10 * MS),
        ("ingress", 200, 10 * MS),
    ]
    assert found.bursts == ()
    assert found.lasts_ns < 3 * SECOND


def test_rare_events_need_more_probes_which_come_closer() -> None:
    counts = [of(loss=loss).trains[0].count for loss in ("50%", "10%", "1%", "0.01%")]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (200, 13_000)
    assert of(loss="1%").lasts_ns < 15 * SECOND


def test_what_is_remembered_longer_needs_more_probes() -> None:
    runs = of(loss={"probability": "20%", "correlation": "50%"})
    assert runs.trains[0].count > 2 * of(loss="20%").trains[0].count
    slow = of(latency="200ms", jitter="50ms", distribution="normal")
    assert slow.trains[0].count > 1000


@pytest.mark.parametrize("bandwidth", ["8kbit", "56kbit", "1mbit", "1gbit"])
def test_probes_take_a_small_share_of_the_rate(bandwidth: str) -> None:
    asked = wanted(bandwidth=bandwidth, loss="1%")
    train = of(ProbeRequest(interval_ns=100_000), bandwidth=bandwidth, loss="1%").trains[0]
    assert (
        train.length * 8e9 / train.interval_ns <= 1.001 * LINK_SHARE * asked.rate_bps or bandwidth == "1gbit"
    )


@pytest.mark.parametrize("bandwidth", ["1kbit", "56kbit", "1mbit", "100mbit", "10gbit"])
@pytest.mark.parametrize("seconds", [2, 10, 60])
def test_it_takes_no_longer_than_was_said(bandwidth: str, seconds: int) -> None:
    found = of(ProbeRequest(probes=50_000, at_most_ns=seconds * SECOND), bandwidth=bandwidth, latency="50ms")
    assert found.lasts_ns <= seconds * SECOND + found.trains[0].interval_ns * 2
    assert found.trains[0].count < found.needed == 50_000


def test_a_burst_keeps_the_link_busy_and_does_not_swamp_it() -> None:
    burst = of(bandwidth="1mbit").bursts[0]
    offered_bps = burst.length * 8e9 / burst.interval_ns
    assert offered_bps == pytest.approx(2e6, rel=0.01)
    assert burst.count * burst.length * 8 / 1e6 < 2


def test_what_a_person_asked_for_is_sent_if_it_fits() -> None:
    train = of(ProbeRequest(probes=33, interval_ns=20 * MS)).trains[0]
    assert (train.count, train.interval_ns) == (33, 20 * MS)
