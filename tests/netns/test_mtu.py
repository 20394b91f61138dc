"""The MTU of a persona on real stacks: what a router does with a packet too big, and TCP that adapts."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, tcp_bits_per_s
from lab.namespaces import Workload
from lab.traffic import exchange, missing
from tests.netns.wire import PEER as PEER_IP
from tests.netns.wire import UDP, Wire, ip, ipv4, marker, udp
from tests.netns.wire import WORKLOAD as WORKLOAD_IP

pytestmark = pytest.mark.netns

MTU = 1300
DONT_FRAGMENT = 0x4000
families = pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
PMTUDISC = {False: (socket.IPPROTO_IP, 10), True: (socket.IPPROTO_IPV6, 23)}  # linux/in.h, in6.h
PMTUDISC_DONT, PMTUDISC_DO = 0, 2


@pytest.fixture(scope="module")
def network() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


@pytest.fixture
def host(network: AttachedHost) -> AttachedHost:
    """Without what the test before learned of the way."""
    for workload in (network.subject, network.peer):
        for family in ("-4", "-6"):
            workload.namespace.run("ip", family, "route", "flush", "cache")
    return network


@dataclass(frozen=True)
class Books:
    too_big: int
    answered: int
    fragmented: int


def books(host: AttachedHost, direction: str) -> Books:
    observed = host.datapath.observe(host.attachments[host.subject.host_interface])
    counters, lane = getattr(observed, direction), getattr(observed, f"{direction}_lane")
    return Books(counters.too_big.packets, lane.answered, lane.fragmented)


def route_mtu(workload: Workload, address: str) -> int | None:
    """What the workload's stack has learned about the way."""
    found = workload.namespace.run("ip", "-j", "-d", "route", "get", address).stdout
    metrics = json.loads(found)[0].get("metrics") or [{}]
    mtu = metrics[0].get("mtu")
    return int(mtu) if mtu is not None else None


@families
@pytest.mark.parametrize("direction", ["egress", "ingress"])
@pytest.mark.parametrize("conditions", [{}, {"latency": "2ms"}], ids=["kernel", "conditions"])
def test_tcp_learns_the_mtu_and_carries_on(
    host: AttachedHost, direction: str, ipv6: bool, conditions: dict[str, str]
) -> None:
    """GSO is on: packets of 64 KB are measured by their segments, which are too big until TCP has learned."""
    host.put_on({"mtu": MTU, "egress": conditions, "ingress": conditions})
    before, reverse = books(host, direction), direction == "ingress"
    assert tcp_bits_per_s(host.subject, host.peer, seconds=1, reverse=reverse, ipv6=ipv6) > 50e6
    sender, receiver = (host.peer, host.subject) if reverse else (host.subject, host.peer)
    assert route_mtu(sender, receiver.ipv6 if ipv6 else receiver.ipv4) == MTU
    after = books(host, direction)
    assert after.too_big > before.too_big
    assert after.answered > before.answered
    assert after.fragmented == before.fragmented


def test_ipv4_without_df_is_cut_into_fragments_that_arrive_whole(host: AttachedHost) -> None:
    host.put_on({"mtu": MTU})
    before = books(host, "egress").fragmented
    sent = flow(host.subject, host.peer, count=50, interval_s=0.002, size=1400)
    sent.sender.setsockopt(*PMTUDISC[False], PMTUDISC_DONT)
    assert missing(exchange([sent])[0], 50) == 0
    assert books(host, "egress").fragmented - before == 50


@families
@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_what_may_not_be_cut_is_answered(host: AttachedHost, ipv6: bool, direction: str) -> None:
    """RFC 1191 section 3, RFC 4443 section 3.2: the sender is told the MTU, whoever it is."""
    host.put_on({"mtu": MTU})
    sender, receiver = (host.subject, host.peer) if direction == "egress" else (host.peer, host.subject)
    address = receiver.ipv6 if ipv6 else receiver.ipv4
    largest = MTU - (48 if ipv6 else 28)
    for size, learned in ((largest, None), (largest + 1, MTU)):
        sent = flow(sender, receiver, count=1, interval_s=0, size=size, ipv6=ipv6)
        sent.sender.setsockopt(*PMTUDISC[ipv6], PMTUDISC_DO)
        arrived = exchange([sent], straggler_s=0.1)[0]
        assert len(arrived) == (learned is None)
        assert route_mtu(sender, address) == learned


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_the_answer_says_the_mtu_and_quotes_the_packet(wire: Wire, family: int) -> None:
    wire.put_on({"mtu": MTU})
    mark = marker()
    head = 28 if family == 4 else 48
    packet = ip(family, WORKLOAD_IP[family], PEER_IP[family], UDP, udp(5, 6, mark.ljust(1400 - head, b"x")))
    kind = b"\x08\x00" if family == 4 else b"\x86\xdd"
    if family == 4:
        packet = _with_df(packet)
    wire.workload.socket.send(wire.peer.mac + wire.workload.mac + kind + packet)
    answer = wire.workload.receive(mark)[14:]
    if family == 4:
        kind_code, mtu = answer[20:22], struct.unpack("!H", answer[26:28])[0]
        assert kind_code == bytes([3, 4])
        assert answer[28:56] == packet[:28], "RFC 1122 section 3.2.2: the header and 8 bytes at least"
    else:
        kind_code, mtu = answer[40:42], struct.unpack("!I", answer[44:48])[0]
        assert kind_code == bytes([2, 0])
        assert answer[48:] == packet[: len(answer) - 48], "RFC 4443 section 3.2: as much as fits"
    assert mtu == MTU


def _with_df(packet: bytes) -> bytes:
    return ipv4(WORKLOAD_IP[4], PEER_IP[4], UDP, packet[20:], fragment=DONT_FRAGMENT)
