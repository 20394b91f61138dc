"""Ten thousand switches under load: no packet torn, lost or reordered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow
from lab.stress import ROTATION, flip, verdict_of
from lab.traffic import start

pytestmark = pytest.mark.netns

SWITCHES = 10_000
PACKETS = 100_000


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def test_ten_thousand_switches_tear_lose_and_reorder_nothing(host: AttachedHost) -> None:
    count, interval_s, burst = PACKETS // 4, 0.001, 2
    slots = [host.install(persona) for persona, _ in ROTATION]
    attachment = host.attachments[host.subject.host_interface]
    host.datapath.switch(attachment, slots[0])
    ways = [(host.subject, host.peer), (host.peer, host.subject)]
    load = start(
        [
            flow(*ends, count=count, interval_s=interval_s, burst=burst, ipv6=ipv6, number=2 * way + ipv6)
            for way, ends in enumerate(ways)
            for ipv6 in (False, True)
        ]
    )
    flip(host.datapath, attachment, slots, SWITCHES, during_s=count / burst * interval_s)
    for records in load.collect():
        verdict = verdict_of(records, count, [marks for _, marks in ROTATION])
        assert verdict.holds, verdict
        assert set(verdict.seen) == {marks.dscp for _, marks in ROTATION}, verdict
        assert min(verdict.seen.values()) > count / 20, "each persona was worn for its share of the packets"
