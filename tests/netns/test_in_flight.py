"""What becomes of packets under way when a persona is switched: kept, drained or flushed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, wait_until
from lab.traffic import Records, delays_ms, missing, reordered, start

from netpersona.datapath import LaneStats

pytestmark = pytest.mark.netns

SLOW_MS = 300
COUNT = 100
DIRECTIONS = pytest.mark.parametrize("direction", ["egress", "ingress"])


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def lane(host: AttachedHost, direction: str) -> LaneStats:
    observed = host.datapath.observe(host.attachments[host.subject.host_interface])
    stats: LaneStats = getattr(observed, f"{direction}_lane")
    return stats


def switched_with_all_held(host: AttachedHost, direction: str, in_flight: str) -> tuple[Records, int]:
    """A hundred packets at once under 300 ms, then a switch to 5 ms that no packet follows.

    What came of the hundred, and when it was switched.
    """
    host.put_on({direction: {"latency": f"{SLOW_MS}ms"}})
    faster = host.install({direction: {"latency": "5ms"}, "in_flight": in_flight})
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    load = start([flow(*ends, count=COUNT, interval_s=0.001, burst=COUNT)])
    wait_until(lambda: lane(host, direction).held >= COUNT, timeout_s=2, what="the packets in the delay line")
    at_ns = time.time_ns()
    host.datapath.switch(host.attachments[host.subject.host_interface], faster)
    return load.collect()[0], at_ns


@DIRECTIONS
def test_keep_keeps_departure_times(host: AttachedHost, direction: str) -> None:
    records, _ = switched_with_all_held(host, direction, "keep")
    assert missing(records, COUNT) == 0
    assert np.all(delays_ms(records) >= SLOW_MS)


@DIRECTIONS
def test_drain_sends_what_waits_at_once_and_in_order(host: AttachedHost, direction: str) -> None:
    """The engine looks for switches every 20 ms where no packet shows one."""
    records, at_ns = switched_with_all_held(host, direction, "drain")
    assert missing(records, COUNT) == reordered(records) == 0
    after_ms = (records["received_ns"].astype(np.int64) - at_ns) / 1e6
    assert np.all(after_ms < 100)
    assert np.all(delays_ms(records) < SLOW_MS)


@DIRECTIONS
def test_flush_drops_what_waits_and_counts_it(host: AttachedHost, direction: str) -> None:
    before = lane(host, direction).flushed
    records, _ = switched_with_all_held(host, direction, "flush")
    assert len(records) == 0
    assert lane(host, direction).flushed - before == COUNT


@DIRECTIONS
@pytest.mark.parametrize("after", [{"latency": "1ms"}, {}], ids=["shorter", "none"])
def test_a_shorter_delay_never_overtakes(host: AttachedHost, direction: str, after: dict[str, str]) -> None:
    host.put_on({direction: {"latency": "200ms"}})
    shorter = host.install({direction: after})
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    count = 1500
    load = start([flow(*ends, count=count, interval_s=0.0005)])
    wait_until(lambda: lane(host, direction).held > 200, timeout_s=2, what="packets in the delay line")
    host.datapath.switch(host.attachments[host.subject.host_interface], shorter)
    records = load.collect()[0]
    assert missing(records, count) == reordered(records) == 0
    delays = delays_ms(records)
    assert delays[0] >= 200
    assert np.median(delays[-100:]) < 5, "those that came later are not held back"
