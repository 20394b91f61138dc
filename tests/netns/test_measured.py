"""What is measured of real traffic, against paths that the engine makes."""

from __future__ import annotations

import math
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, tcp_flow
from lab.traffic import exchange
from tests.netns.wire import ACK, ETH_P_IP, SYN, TCP, Tap, ipv4

from netpersona.datapath import Meter
from netpersona.kinds.measured import Measured, MeasuredDirection

CONFIDENT = 2.576
"""Standard deviations that hold 99 % of a normal distribution."""
PORT = 41000
TWO_SEGMENTS = bytes(2 * 1448)
"""Acknowledged at once, RFC 9293 section 3.8.6.3."""


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        made.attach(made.peer)
        yield made


class Seen:
    """What the traffic of a block was, by workload, once the block has ended."""

    def __init__(self, host: AttachedHost) -> None:
        self._host = host
        self._meter = Meter(host.run_dir)
        self.next()

    def next(self) -> None:
        """End an interval."""
        self.found = {one.attachment: one.measured for one in self._meter.read()}

    @property
    def subject(self) -> Measured:
        return self.found[self._host.attachments[self._host.subject.host_interface]]


@contextmanager
def measured(host: AttachedHost, subject: Mapping[str, Any], peer: Mapping[str, Any]) -> Iterator[Seen]:
    host.put_on(subject)
    host.put_on(peer, host.peer)
    time.sleep(0.1)
    seen = Seen(host)
    yield seen
    seen.next()


def trickle(
    host: AttachedHost, during: Callable[[int], object] = lambda _: None, *, seconds: float = 1.5
) -> None:
    """TCP from the subject to its peer that waits in no queue. `during` is told the port it comes from."""
    with (
        host.peer.namespace.call(lambda: socket.create_server(("", PORT))) as listener,
        host.subject.namespace.call(lambda: socket.create_connection((host.peer.ipv4, PORT), 5)) as source,
        listener.accept()[0] as sink,
        ThreadPoolExecutor(2) as workers,
    ):
        received = workers.submit(_read_to_end, sink)
        disturbed = workers.submit(during, source.getsockname()[1])
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            source.sendall(TWO_SEGMENTS)
            time.sleep(0.004)
        disturbed.result()
        source.shutdown(socket.SHUT_WR)
        received.result()


def _read_to_end(sink: socket.socket) -> None:
    while sink.recv(1 << 16):
        pass


def near(truth_ms: float) -> Any:
    return pytest.approx(truth_ms, rel=0.1, abs=0.5)


def lies_within(side: MeasuredDirection, truth: float) -> bool:
    """Whether `truth` is in the 99 % interval of the share that was measured."""
    assert side.loss is not None
    assert side.loss_packets
    return abs(side.loss - truth) <= CONFIDENT * math.sqrt(truth * (1 - truth) / side.loss_packets)


def test_a_round_trip_is_from_the_attachment_to_the_far_end_and_back(host: AttachedHost) -> None:
    with measured(
        host, {"egress": {"latency": "5ms"}, "ingress": {"latency": "30ms"}}, {"ingress": {"latency": "20ms"}}
    ) as seen:
        trickle(host)
    rtt = seen.subject.egress.rtt
    assert rtt is not None
    assert rtt.samples >= 10
    assert rtt.median_ms == near(25)


def test_the_other_half_is_the_workloads(host: AttachedHost) -> None:
    """The peer receives: its `ingress` half is from the attachment to itself and back."""
    with measured(host, {"egress": {"latency": "10ms"}}, {"ingress": {"latency": "20ms"}}) as seen:
        trickle(host)
    peer = seen.found[host.attachments[host.peer.host_interface]]
    assert peer.ingress.rtt is not None
    assert peer.ingress.rtt.median_ms == near(20)


@pytest.mark.parametrize("lossy", ["subject", "peer"])
def test_loss_is_what_the_path_lost(host: AttachedHost, lossy: str) -> None:
    """Behind the attachment's hook, or before it on the way to the peer's."""
    conditions = {"loss": "2%", "latency": "5ms"}
    personas = ({"egress": conditions}, {}) if lossy == "subject" else ({}, {"ingress": conditions})
    with measured(host, *personas) as seen:
        before = host.datapath.observe(host.attachments[_interface(host, lossy)])
        with tcp_flow(host.subject, host.peer):
            time.sleep(1.5)
        after = host.datapath.observe(host.attachments[_interface(host, lossy)])
    lanes = ("egress_lane" if lossy == "subject" else "ingress_lane",) * 2
    lost, received = (
        getattr(getattr(after, lanes[0]), what) - getattr(getattr(before, lanes[0]), what)
        for what in ("lost", "received")
    )
    for one in seen.found.values():
        side = max(one.egress, one.ingress, key=lambda side: side.loss_packets or 0)
        assert lies_within(side, lost / received), (side, lost, received)


def _interface(host: AttachedHost, name: str) -> str:
    return (host.subject if name == "subject" else host.peer).host_interface


def test_throughput_is_that_of_the_bottleneck(host: AttachedHost) -> None:
    narrow = {"egress": {"bandwidth": "50mbit", "latency": "2ms"}}
    with measured(host, narrow, {}) as seen, tcp_flow(host.subject, host.peer):
        time.sleep(1)
        seen.next()
        time.sleep(1)
        seen.next()
        side = seen.subject.egress
    assert side.throughput_bit_s == pytest.approx(50e6, rel=0.03)
    assert side.queue_depth_packets is not None
    assert side.queue_depth_packets > 1


def test_the_histogram_is_of_what_the_engine_held(host: AttachedHost) -> None:
    with measured(host, {"egress": {"latency": "18ms"}}, {}) as seen:
        trickle(host)
    delay = seen.subject.egress.delay
    assert delay is not None
    within = sum(one.packets for one in delay if 18_000 < one.below_us <= 20_480)
    assert within >= 0.9 * sum(one.packets for one in delay)
    assert seen.subject.ingress.delay is None


def test_what_has_no_tcp_has_no_round_trip(host: AttachedHost) -> None:
    with measured(host, {}, {}) as seen:
        exchange([flow(host.subject, host.peer, count=200, interval_s=0.001)])
    side = seen.subject.egress
    assert side.packets_s
    assert (side.rtt, side.loss, side.jitter_ms) == (None, None, None)


def test_idle_claims_nothing(host: AttachedHost) -> None:
    with measured(host, {}, {}) as seen:
        time.sleep(0.3)
    assert seen.found == {} or all(one.egress.rtt is None for one in seen.found.values())  # IPv6 may speak


def test_a_new_attachment_begins_with_nothing(host: AttachedHost) -> None:
    with measured(host, {}, {}) as seen:
        trickle(host, seconds=0.3)
        host.datapath.detach(host.attachments[host.subject.host_interface])
        host.attach(host.subject)
    assert host.attachments[host.subject.host_interface] not in seen.found


def test_forged_segments_do_not_spoil_a_measurement(host: AttachedHost) -> None:
    """Openings on all ports, and segments of the very connection with any numbers."""
    rng = random.Random(7)

    def forge(port: int) -> None:
        subject, peer = host.subject, host.peer
        with closing(Tap(peer)) as tap, closing(Tap(subject)) as target:
            ethernet = target.mac + tap.mac + struct.pack("!H", ETH_P_IP)
            for number in range(3000):
                flags, ports = (SYN, (number + 1024, 80)) if number % 2 else (ACK, (PORT, port))
                header = struct.pack(
                    "!HHIIBBHHH", *ports, rng.getrandbits(32), rng.getrandbits(32), 5 << 4, flags, 1000, 0, 0
                )
                segment = ipv4(peer.ipv4, subject.ipv4, TCP, header + bytes(40 * (flags == ACK)))
                tap.socket.send(ethernet + segment)
                if number % 20 == 0:
                    time.sleep(0.005)

    with measured(host, {}, {"ingress": {"latency": "20ms"}}) as seen:
        trickle(host, forge)
    side = seen.subject.egress
    assert side.rtt is not None
    assert side.rtt.samples >= 10
    assert side.rtt.median_ms == near(20)
    assert side.loss is None or side.loss < 0.01
