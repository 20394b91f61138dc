"""What a death does to traffic, judged by time-stamped packets: engine within 200 ms, agent not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from lab.instance import Instance, instance
from lab.measure import flow, settle_neighbours
from lab.namespaces import Lab, lab
from lab.traffic import Records, Running, delays_ms, missing, reordered, start

pytestmark = pytest.mark.netns

LATENCY_MS = 20
BOTH = {"egress": {"latency": f"{LATENCY_MS}ms"}, "ingress": {"latency": f"{LATENCY_MS}ms"}}
DETECTED_MS = 200
INTERVAL_S = 0.002


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def product(network: Lab) -> Iterator[Instance]:
    """Every test leaves it whole."""
    with instance(network) as made:
        made.command("up")
        settle_neighbours(network.workloads)
        made.add(network.workloads[0])
        yield made


def killed(product: Instance, role: str) -> int:
    """CLOCK_REALTIME nanoseconds just before the kill."""
    at_ns = time.time_ns()
    product.kill(role)
    return at_ns


def both_ways(network: Lab, count: int) -> Running:
    subject, peer = network.workloads
    return start(
        [
            flow(subject, peer, count=count, interval_s=INTERVAL_S),
            flow(peer, subject, count=count, interval_s=INTERVAL_S, number=1),
        ]
    )


def sent_ms(records: Records, since_ns: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (records["sent_ns"].astype(np.int64) - since_ns) / 1e6


def test_a_dead_engine_is_bypassed_by_a_persona_that_fails_open(product: Instance, network: Lab) -> None:
    product.put_on({"persona_id": "open", "engine_failure": "open", **BOTH})
    count = 750
    load = both_ways(network, count)
    time.sleep(0.4)
    kill_ns = killed(product, "engine")
    for records in load.collect():
        sent, delays = sent_ms(records, kill_ns), delays_ms(records)
        assert np.all(delays[sent < -LATENCY_MS * 2] >= LATENCY_MS), "enforced until the kill"
        first = sent[delays < LATENCY_MS / 2].min()
        assert 0 < first <= DETECTED_MS
        afterwards = np.arange(count) > records["sequence"][sent >= first].min()
        assert np.isin(np.flatnonzero(afterwards), records["sequence"]).all(), "nothing is lost from then on"
        assert np.all(delays[sent > first] < LATENCY_MS / 2)
    _recovers(product, network)


def test_a_dead_engine_stops_a_persona_that_fails_closed(product: Instance, network: Lab) -> None:
    product.put_on({"persona_id": "closed", "engine_failure": "closed", **BOTH})
    load = both_ways(network, 750)
    time.sleep(0.4)
    kill_ns = killed(product, "engine")
    for records in load.collect():
        sent = sent_ms(records, kill_ns)
        assert np.count_nonzero(sent < -LATENCY_MS * 2) > 50, "the flow ran before"
        assert np.all(delays_ms(records) >= LATENCY_MS), "not one packet without its delay"
        assert not np.any(sent > DETECTED_MS)
    _recovers(product, network)


def test_an_engine_told_to_stop_loses_no_packet(product: Instance, network: Lab) -> None:
    """Of a persona that fails open: neither those that it holds nor those that come then."""
    product.put_on({"persona_id": "polite", "engine_failure": "open", **BOTH})
    load = both_ways(network, 500)
    time.sleep(0.4)
    product.end("engine")
    for records in load.collect():
        assert missing(records, 500) == 0
        assert np.any(delays_ms(records) < LATENCY_MS / 2), "it stopped under load"
    _recovers(product, network)


def test_an_engine_told_to_stop_gives_a_persona_that_fails_closed_its_delays(
    product: Instance, network: Lab
) -> None:
    product.put_on({"persona_id": "strict", "engine_failure": "closed", **BOTH})
    load = both_ways(network, 500)
    time.sleep(0.4)
    told_ns = time.time_ns()
    product.end("engine")
    for records in load.collect():
        before = int(np.count_nonzero(sent_ms(records, told_ns) < 0))
        assert before > 50
        assert set(range(before)) <= set(records["sequence"].tolist()), "what was in the engine left it"
        assert np.all(delays_ms(records) >= LATENCY_MS)
        assert not np.any(sent_ms(records, told_ns) > DETECTED_MS)
    _recovers(product, network)


def _recovers(product: Instance, network: Lab) -> None:
    product.command("up")
    for records in both_ways(network, 100).collect():
        assert missing(records, 100) == 0
        assert np.all(delays_ms(records) >= LATENCY_MS)


def test_a_killed_agent_costs_no_packet_either_way(product: Instance, network: Lab) -> None:
    generation = product.put_on({"persona_id": "lag", **BOTH})["generation"]
    count = 2500
    load = both_ways(network, count)
    time.sleep(0.3)
    product.kill("agent")
    product.command("up")
    seen = product.status()["generation"]
    for records in load.collect():
        assert missing(records, count) == 0
        assert reordered(records) == 0
        assert np.all(delays_ms(records) >= LATENCY_MS), "enforced throughout"
    assert seen == product.status()["generation"] == generation
    assert product.assign("lag")["phase"] == "attached"


def test_a_lease_ends_on_time_with_the_agent_dead(product: Instance, network: Lab) -> None:
    product.define({"persona_id": "leased", **BOTH})
    product.define({"persona_id": "none"})
    asked_ns = time.time_ns()
    product.assign("leased", ttl="1500ms", fallback="none")
    answered_ns = time.time_ns()
    product.kill("agent")
    for arrived in both_ways(network, 1000).collect():
        delays = delays_ms(arrived)
        first_ns = int(arrived["sent_ns"][delays < LATENCY_MS / 2].min())
        # A packet sent just before may still pass behind the engine's, so the change shows a delay earlier.
        assert asked_ns + 1.5e9 - LATENCY_MS * 1e6 - 5e6 <= first_ns <= answered_ns + 1.5e9 + 30e6
        assert missing(arrived, 1000) == 0
        assert reordered(arrived) == 0
    product.command("up")
