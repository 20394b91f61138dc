"""A neighbour without a persona does not notice that the workload beside it is shaped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, ping_ms, tcp_bits_per_s
from lab.traffic import delays_ms, exchange, missing, start

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host(workloads=4) as made:
        made.attach(made.lab.workloads[2])
        yield made


def test_a_neighbours_delay_stays_while_the_workload_is_delayed(host: AttachedHost) -> None:
    _, peer, neighbour, other = host.lab.workloads
    count = 1_000
    before = delays_ms(exchange([flow(neighbour, other, count=count, interval_s=0.001)])[0])
    host.put_on({"egress": {"latency": "20ms", "loss": "10%", "bandwidth": "5mbit"}})
    load = start([flow(host.subject, peer, count=5_000, interval_s=0.002, burst=10, number=1)])
    records = exchange([flow(neighbour, other, count=count, interval_s=0.001)])[0]
    load.collect()
    assert missing(records, count) == 0
    assert np.median(delays_ms(records)) < np.median(before) + 0.1
    assert np.quantile(delays_ms(records), 0.9) < 2


def test_a_neighbours_throughput_stays_while_the_workload_is_delayed(host: AttachedHost) -> None:
    _, _, neighbour, other = host.lab.workloads
    host.put_on({})
    bare = [tcp_bits_per_s(neighbour, other, seconds=1) for _ in range(3)]
    host.put_on({"egress": {"latency": "20ms", "loss": "10%"}})
    shaped = [tcp_bits_per_s(neighbour, other, seconds=1) for _ in range(3)]
    assert max(shaped) > 0.8 * max(bare)
    assert np.median(ping_ms(neighbour, other.ipv4, count=50)) < 1
