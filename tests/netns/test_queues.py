"""Queues of a persona under a rate limit: steering, order of service, length, DSCP and priority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import PORT, flow
from lab.traffic import Records, delays_ms, exchange, missing, reordered

from netpersona.datapath import LaneStats

pytestmark = pytest.mark.netns

RATE_MBIT = 10
SIZE = 1200  # bytes of UDP payload; a frame of 1242 takes 1 ms at 10 Mbit/s
LENGTH = 40
DIRECTIONS = ("egress", "ingress")
VOICE, BULK = 0, 1  # number of a flow; its port is PORT + number


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def queues(priorities: tuple[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "queue_id": number,
            "priority": priority,
            "queue_length": LENGTH,
            "filtering_rules": [{"protocol": "udp", "port": PORT + number}],
        }
        for number, priority in enumerate(priorities)
    ]


def congest(host: AttachedHost, direction: str, *, ipv6: bool = False) -> list[Records]:
    """A thin flow beside one of twice the rate, for a second."""
    ends = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    return exchange(
        [
            flow(*ends, count=100, interval_s=0.01, size=100, number=VOICE, ipv6=ipv6),
            flow(*ends, count=2000, interval_s=0.005, burst=10, size=SIZE, number=BULK, ipv6=ipv6),
        ]
    )


def lane(host: AttachedHost, direction: str) -> LaneStats:
    observed = host.datapath.observe(host.attachments[host.subject.host_interface])
    stats: LaneStats = getattr(observed, f"{direction}_lane")
    return stats


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_higher_priority_does_not_wait_behind_the_lower(
    host: AttachedHost, direction: str, ipv6: bool
) -> None:
    link = {"bandwidth": f"{RATE_MBIT}mbit", "burst": 3100}
    waits: dict[str, float] = {}
    for name, priorities in (("first", (7, 0)), ("last", (0, 7))):
        host.put_on({direction: link, "queue_configuration": queues(priorities)})
        before = lane(host, direction).dropped_queue
        voice, bulk = congest(host, direction, ipv6=ipv6)
        lost = missing(voice, 100) + missing(bulk, 2000)
        assert lane(host, direction).dropped_queue - before == lost > 0, "every drop is counted"
        assert reordered(bulk) == 0, "within a queue, first in first out"
        waits[name] = float(np.median(delays_ms(voice)[10:])) if len(voice) > 20 else np.inf
        full_ms = LENGTH * (SIZE + 42) * 8 / RATE_MBIT / 1000
        if name == "first":
            assert missing(voice, 100) == 0
            assert np.median(delays_ms(bulk)[500:]) == pytest.approx(full_ms, rel=0.25), "the queue's length"
    # Served first, it waits for one frame under way and the grain of the bucket.
    assert waits["first"] < 4
    assert waits["last"] > 5 * waits["first"]


def test_a_queue_holds_its_length_and_no_more(host: AttachedHost) -> None:
    host.put_on({"egress": {"bandwidth": "100kbit", "burst": 3100}, "queue_configuration": queues((7, 0))})
    before = lane(host, "egress")
    records = exchange(
        [flow(host.subject, host.peer, count=100, interval_s=0.05, burst=100, size=300, number=VOICE)],
        straggler_s=1,
    )[0]
    after = lane(host, "egress")
    passed_bucket = 3100 // 342 + 1  # frames that the full bucket lets through at once
    assert after.dropped_queue - before.dropped_queue == pytest.approx(100 - LENGTH - passed_bucket, abs=3)
    assert missing(records, 100) == after.dropped_queue - before.dropped_queue


def test_without_a_queue_the_links_own_length_counts(host: AttachedHost) -> None:
    host.put_on({"egress": {"bandwidth": "1mbit", "burst": 3100, "queue_length": 10}})
    before = lane(host, "egress").dropped_queue
    records = exchange([flow(host.subject, host.peer, count=60, interval_s=0.05, burst=60, size=300)])[0]
    assert lane(host, "egress").dropped_queue - before == missing(records, 60)
    assert 10 <= len(records) <= 10 + 3100 // 342 + 3


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_a_filtering_rule_of_a_queue_can_drop(host: AttachedHost, ipv6: bool) -> None:
    rules = [{"protocol": "udp", "port": PORT + BULK, "action": "drop"}]
    host.put_on({"queue_configuration": [{"queue_id": 0, "filtering_rules": rules}]})
    voice, bulk = exchange(
        [
            flow(host.subject, host.peer, count=20, interval_s=0.002, number=number, ipv6=ipv6)
            for number in (VOICE, BULK)
        ]
    )
    assert (len(voice), len(bulk)) == (20, 0)
