"""The number of an attachment given again: nothing of the tenant before reaches the next, not even of one
with the same addresses.

One number is all there is, so that it must be given again; a bound of two stands for 2,047 that are full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import wait_until
from tests.netns.wire import PEER, UDP, WORKLOAD, Flow, Tap, Wire, ipv4, marker, udp

from netpersona.datapath import AttachmentsFull, Counters, Facing, LaneStats

pytestmark = pytest.mark.netns

HELD = {"latency": "4s"}
MORE_FRAGMENTS = 0x2000
SECOND_FRAGMENT = 3  # in units of eight bytes, behind a UDP header and two markers


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[AttachedHost]:
    with attached_host(workloads=3) as made:
        monkeypatch.setattr(made.datapath, "_capacity", 2)
        yield made


@pytest.fixture
def first(host: AttachedHost) -> Iterator[Wire]:
    with closing(Tap(host.subject)) as workload, closing(Tap(host.peer)) as peer:
        yield Wire(host, workload, peer)


@pytest.fixture
def second(host: AttachedHost, first: Wire) -> Iterator[Wire]:
    with closing(Tap(host.lab.workloads[2])) as workload:
        yield Wire(host, workload, first.peer)


def succeed(host: AttachedHost) -> None:
    """The second tenant follows the first on its number, as soon as that may be."""
    datapath, (old, new) = host.datapath, (host.subject, host.lab.workloads[2])
    number = host.attachments.pop(old.host_interface)
    datapath.detach(number)
    with pytest.raises(AttachmentsFull):
        datapath.attach(new.host_interface, Facing.WORKLOAD)
    wait_until(lambda: datapath._open.free(2) is not None, timeout_s=5, what="the number to rest")
    assert datapath.attach(new.host_interface, Facing.WORKLOAD) == number
    # what put_on() and counters() of the wires look up
    host.attachments[old.host_interface] = number


def fragment(number: int, at: int, data: bytes) -> bytes:
    return ipv4(PEER[4], WORKLOAD[4], UDP, data, number=number, fragment=at)


def test_packets_in_the_delay_line_go_with_their_tenant(
    host: AttachedHost, first: Wire, second: Wire
) -> None:
    first.put_on({"egress": HELD, "ingress": HELD})
    mark = marker()
    for sender, receiver in ((first.workload, first.peer), (first.peer, first.workload)):
        frame = receiver.mac + sender.mac + b"\x08\x00" + ipv4(PEER[4], WORKLOAD[4], UDP, udp(1, 2, mark))
        for _ in range(10):
            sender.socket.send(frame)
    wait_until(lambda: counts(host)[1].detoured.packets >= 10, timeout_s=5, what="packets in the engine")
    for tap in (first.peer, second.workload):
        tap.drain()
    succeed(host)
    assert counts(host)[2:] == (LaneStats(), LaneStats())
    for tap in (second.workload, first.peer):
        tap.socket.settimeout(4)
        with pytest.raises(TimeoutError):
            tap.receive(mark)


def counts(host: AttachedHost) -> tuple[Counters, Counters, LaneStats, LaneStats]:
    (number,) = host.attachments.values()
    seen = host.datapath.observe(number)
    return seen.egress, seen.ingress, seen.egress_lane, seen.ingress_lane


def test_flows_fragments_and_counters_go_with_their_tenant(
    host: AttachedHost, first: Wire, second: Wire, port: int
) -> None:
    keep = {"security_profile": "restricted", "established_flows": "keep"}
    first.put_on({**keep, "egress": {"latency": "1ms"}})
    opened = Flow(first, "udp", 4, workload_port=port, peer_port=53)
    assert opened.sends()
    assert opened.gets(), "the reply of a flow that the tenant opened"
    mark = marker()
    whole = udp(53, port, mark * 4)
    assert first.gets(fragment(7, MORE_FRAGMENTS, whole[:24]), mark)
    succeed(host)
    assert counts(host) == (Counters(), Counters(), LaneStats(), LaneStats())
    assert host.datapath.binding(next(iter(host.attachments.values()))).slot == 0
    second.put_on(keep)
    assert not Flow(second, "udp", 4, workload_port=port, peer_port=53).gets()
    assert second.gets(fragment(7, SECOND_FRAGMENT, whole[24:]), mark) is None


def test_a_number_that_was_let_go_is_the_last_to_be_given(host: AttachedHost) -> None:
    host.datapath._capacity = 4
    (number,) = host.attachments.values()
    names = [workload.host_interface for workload in host.lab.workloads]
    host.datapath.detach(number)
    given = [host.datapath.attach(name, Facing.WORKLOAD) for name in names[1:]]
    with suppress(AttachmentsFull):
        given.append(host.datapath.attach(names[0], Facing.WORKLOAD))
    assert number not in given
