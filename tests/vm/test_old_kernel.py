"""The data path on a kernel without tcx: a persona in force, switched, and taken off without a trace."""

from __future__ import annotations

import json
import platform
import statistics

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, ping_ms
from lab.traffic import exchange

pytestmark = pytest.mark.vm


def test_the_kernel_is_one_without_tcx() -> None:
    assert tuple(map(int, platform.release().split(".")[:2])) < (6, 6)


def _arrived_of_gso_packets(host: AttachedHost) -> int:
    """How many different numbers of their ten segments arrived, of fifty."""
    load = flow(host.subject, host.peer, count=500, interval_s=0.02, burst=10, size=500, segment=500)
    packets, arrived = np.unique(exchange([load])[0]["sequence"] // 10, return_counts=True)
    assert packets.size > 25
    return len(set(arrived.tolist()))


def test_a_persona_is_in_force_is_switched_and_leaves_nothing() -> None:
    with attached_host() as host:
        run, interface = host.lab.host.run, host.subject.host_interface
        found = host.datapath.probe()
        assert found.attach == "clsact", found.attach_reason
        host.put_on({"seed": 7, "egress": {"latency": "80ms"}, "ingress": {"latency": "80ms"}})
        assert 160 <= statistics.median(ping_ms(host.subject, host.peer.ipv4, count=5, interval_s=0.2)) < 320
        host.put_on({"seed": 7, "egress": {"loss": "50%"}})
        assert 0 < len(ping_ms(host.subject, host.peer.ipv4, count=20, interval_s=0.05)) < 20
        assert _arrived_of_gso_packets(host) > 2, (
            "segments are lost one by one, where netem drops ten at once"
        )
        host.put_on({"default_action": "drop"})
        assert ping_ms(host.subject, host.peer.ipv4, count=2, interval_s=0.05) == []
        host.datapath.detach(host.attachments[interface])
        assert ping_ms(host.subject, host.peer.ipv4, count=2, interval_s=0.05)
        kinds = [
            qdisc["kind"] for qdisc in json.loads(run("tc", "-j", "qdisc", "show", "dev", interface).stdout)
        ]
        assert "clsact" not in kinds
