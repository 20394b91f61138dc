"""Dense packets that wait anyway: the engine wakes for several at a time, and none leaves before its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow
from lab.packets import TEN_MS, pace, sink
from lab.traffic import delays_ms, exchange


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def test_it_wakes_for_several_packets_at_a_time(host: AttachedHost) -> None:
    """Woken by each packet and for each departure it is nearly one, on this path and pace."""
    host.put_on(TEN_MS)
    with sink(host.peer):
        passage = pace(host, host.engine.pid, 20_000, 1.5, inward=False)
    assert passage.arrived == passage.sent
    assert passage.wakeups / passage.sent < 0.25


def test_none_leaves_before_its_time(host: AttachedHost) -> None:
    host.put_on(TEN_MS)
    records = exchange([flow(host.subject, host.peer, count=10_000, interval_s=0.0004, burst=4)])[0]
    assert delays_ms(records).min() >= 10
    assert (records["sequence"][1:] > records["sequence"][:-1]).all()
