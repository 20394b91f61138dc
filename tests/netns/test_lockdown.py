"""Lockdown under a SYN flood: nothing new comes in from the switch on, and what was there before goes on."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.flood import flood
from lab.measure import TcpFlow, tcp_flow
from lab.namespaces import Workload

from netpersona.kinds.persona import presets

pytestmark = pytest.mark.netns

ETH_P_IP, SO_RCVBUFFORCE = 0x0800, 33
LOCKDOWN = presets()["lockdown"].model_dump(
    mode="json", exclude={"persona_id", "description"}, exclude_defaults=True
)


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    """A workload, who it works with, and a third that floods it."""
    with attached_host(3) as made:
        yield made


class Arrivals:
    """What the flood sent and the workload saw."""

    def __init__(self, workload: Workload) -> None:
        self.socket = workload.namespace.call(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        )
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.socket.bind((workload.interface, ETH_P_IP))
        self.socket.settimeout(0.5)

    def close(self) -> None:
        self.socket.close()

    def sent_ns(self) -> list[int]:
        """When those were sent that came, until none has for half a second."""
        found: list[int] = []
        while True:
            try:
                packet = self.socket.recv(2048)
            except TimeoutError:
                return found
            if len(packet) == 48 and packet[12:14] == b"\xc6\x12":
                found.append(struct.unpack("!Q", packet[40:])[0])


def test_no_packet_of_the_flood_is_let_in_once_the_switch_is_made(host: AttachedHost) -> None:
    host.put_on({})
    subject, _, attacker = host.lab.workloads
    slot = host.install(LOCKDOWN)
    with closing(Arrivals(subject)) as arrivals, flood(attacker, subject, rate=5_000):
        arrivals.socket.recv(2048)  # under way
        time.sleep(0.3)
        host.datapath.switch(host.attachments[subject.host_interface], slot)
        switched_ns = time.monotonic_ns()
        time.sleep(0.3)
        came = arrivals.sent_ns()
    assert len(came) > 500
    assert max(came) < switched_ns
    assert max(came) > switched_ns - 100_000_000, "until then they were let in"


def test_flows_from_before_keep_their_throughput(host: AttachedHost) -> None:
    """The link is shared: 10 Mbit/s towards the workload, of which the flood alone would take more."""
    shared = {"ingress": {"bandwidth": "10mbit"}}
    host.put_on(shared)
    subject, peer, attacker = host.lab.workloads
    with tcp_flow(peer, subject) as flow:
        time.sleep(1.5)
        before = _rate(flow)
        with flood(attacker, subject, rate=20_000):
            time.sleep(1)
            attacked = _rate(flow)
            host.put_on(shared | LOCKDOWN)
            time.sleep(1)
            locked = _rate(flow)
            dropped = host.datapath.observe(host.attachments[subject.host_interface]).ingress.dropped_profile
        assert attacked < 0.7 * before, "or there was no attack"
        assert locked >= 0.95 * before
        assert dropped.packets > 10_000


def _rate(flow: TcpFlow) -> float:
    return float(np.median(flow.rates(5, 0.4)))
