"""What the kernel programs read in frames (tags, fragments, extension headers, errors), and write."""

from __future__ import annotations

import struct

import pytest
from lab.measure import ping_ms
from tests.netns.wire import (
    ETH_P_8021Q,
    FRAGMENT,
    ICMP,
    ICMPV6,
    PEER,
    UDP,
    WORKLOAD,
    Flow,
    Wire,
    checksum,
    echo,
    ip,
    ipv4,
    ipv6,
    marker,
    packed,
    udp,
)

pytestmark = pytest.mark.netns

families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
RESTRICTED = {"security_profile": "restricted"}
NO_PORT_9 = {"filtering_rules": [{"protocol": "udp", "port": 9, "action": "drop"}]}
MORE_FRAGMENTS, HOP_BY_HOP, ROUTING, DESTINATION = 0x2000, 0, 43, 60


def tag(vlan: int) -> bytes:
    return struct.pack("!HH", ETH_P_8021Q, vlan)


def fragment(family: int, number: int, offset: int, more: bool, payload: bytes) -> bytes:
    """Part of a datagram that the workload sends; `offset` in bytes."""
    if family == 4:
        field = (MORE_FRAGMENTS if more else 0) | offset // 8
        return ipv4(WORKLOAD[4], PEER[4], UDP, payload, number=number, fragment=field)
    header = struct.pack("!BBHI", UDP, 0, offset | more, number)
    return ipv6(WORKLOAD[6], PEER[6], FRAGMENT, header + payload)


def error(family: int, quoted: bytes, mark: bytes) -> bytes:
    """A port unreachable, from the peer to the workload."""
    kind, protocol = (3, ICMP) if family == 4 else (1, ICMPV6)
    body = struct.pack("!BBHI", kind, 3, 0, 0) + quoted + mark
    return ip(family, PEER[family], WORKLOAD[family], protocol, body)


@families
@pytest.mark.parametrize("tags", [tag(7), tag(7) + tag(8)], ids=["one", "two"])
def test_a_tagged_frame_is_judged_by_its_packet(wire: Wire, family: int, tags: bytes) -> None:
    wire.put_on(NO_PORT_9)
    for port, passes in ((9, False), (10, True)):
        mark = marker()
        packet = ip(family, WORKLOAD[family], PEER[family], UDP, udp(5, port, mark))
        assert (wire.sends(packet, mark, vlan=tags) is not None) is passes


@pytest.mark.parametrize("tags", [b"", tag(7), tag(7) + tag(8)], ids=["none", "one", "two"])
def test_tags_survive_the_engine(wire: Wire, tags: bytes) -> None:
    """A raw socket takes the outermost tag off what it gets; the others are in the bytes."""
    wire.put_on({"egress": {"latency": "1ms"}})
    mark = marker()
    packet = ipv4(WORKLOAD[4], PEER[4], UDP, udp(5, 6, mark))
    sent = wire.peer.mac + wire.workload.mac + tags + b"\x08\x00" + packet
    wire.workload.socket.send(sent)
    frame = wire.peer.receive(mark)
    assert frame[14 + max(0, len(tags) - 4) :].startswith(packet)
    assert frame[12:-1].startswith(tags[4:] + b"\x08\x00")


@families
def test_later_fragments_follow_the_first(wire: Wire, family: int) -> None:
    wire.put_on(NO_PORT_9)
    for number, (port, passes) in enumerate(((9, False), (10, True)), start=100):
        first, later = marker(), marker()
        head = fragment(family, number, 0, True, udp(5, port, first).ljust(64, b"x"))
        tail = fragment(family, number, 64, False, later)
        assert (wire.sends(head, first) is not None) is passes
        assert (wire.sends(tail, later) is not None) is passes


@families
def test_a_fragment_of_an_unknown_datagram_is_dropped_and_counted(wire: Wire, family: int) -> None:
    wire.put_on(NO_PORT_9)
    before = wire.counters("egress").dropped_fragment.packets
    mark = marker()
    assert wire.sends(fragment(family, 777, 64, False, mark), mark) is None
    assert wire.counters("egress").dropped_fragment.packets == before + 1


@families
def test_a_fragment_passes_where_nothing_asks_for_ports(wire: Wire, family: int) -> None:
    wire.put_on({})
    mark = marker()
    assert wire.sends(fragment(family, 778, 64, False, mark), mark)


def test_extension_headers_are_stepped_over(wire: Wire) -> None:
    wire.put_on(NO_PORT_9)
    for port, passes in ((9, False), (10, True)):
        mark = marker()
        inner = bytes([UDP, 0, 0, 0, 0, 0, 0, 0]) + udp(5, port, mark)
        chain = bytes([DESTINATION, 1, *[0] * 14]) + inner
        packet = ipv6(WORKLOAD[6], PEER[6], HOP_BY_HOP, chain)
        assert (wire.sends(packet, mark) is not None) is passes


@families
def test_an_error_about_a_flow_follows_it(wire: Wire, family: int, port: int) -> None:
    wire.put_on(RESTRICTED)
    mark = marker()
    sent = ip(family, WORKLOAD[family], PEER[family], UDP, udp(port, 33434, mark))
    answer = marker()
    assert wire.gets(error(family, sent, answer), answer) is None, "nothing was sent yet"
    assert wire.sends(sent, mark)
    assert wire.gets(error(family, sent[: len(sent) - len(mark)], answer), answer)


@families
def test_an_error_about_somebody_elses_flow_is_dropped(wire: Wire, family: int, port: int) -> None:
    wire.put_on(RESTRICTED)
    mark, answer = marker(), marker()
    assert wire.sends(ip(family, WORKLOAD[family], PEER[family], UDP, udp(port, 33434, mark)), mark)
    other = ip(family, WORKLOAD[family], PEER[family], UDP, udp(port + 1, 33434, b""))
    assert wire.gets(error(family, other, answer), answer) is None


def test_neighbour_discovery_passes_but_not_from_afar(wire: Wire) -> None:
    wire.put_on({**RESTRICTED, "default_action": "drop"})
    for hop_limit, passes in ((255, True), (64, False)):
        mark = marker()
        advertisement = struct.pack("!BBHI", 136, 0, 0, 0) + packed(PEER[6]) + mark
        packet = ipv6(PEER[6], WORKLOAD[6], ICMPV6, advertisement, hop_limit=hop_limit)
        assert (wire.gets(packet, mark) is not None) is passes


def test_addresses_are_resolved_under_the_strictest_persona(wire: Wire) -> None:
    wire.put_on(RESTRICTED)
    subject, peer = wire.host.subject, wire.host.peer
    for workload in (subject, peer):
        workload.namespace.run("ip", "neigh", "flush", "dev", "eth0")
    assert ping_ms(subject, peer.ipv4, count=1)
    assert ping_ms(subject, peer.ipv6, count=1)


@families
@pytest.mark.parametrize("detoured", [False, True], ids=["straight", "detoured"])
def test_the_dscp_is_written_and_ecn_left_alone(wire: Wire, family: int, detoured: bool) -> None:
    wire.put_on({"dscp": 46, **({"egress": {"latency": "1ms"}} if detoured else {})})
    mark = marker()
    body = udp(5, 6, mark)
    ecn = 2
    packet = ipv4(WORKLOAD[4], PEER[4], UDP, body, tos=ecn)
    if family == 6:
        marked = bytearray(ipv6(WORKLOAD[6], PEER[6], UDP, body))
        marked[1] |= ecn << 4
        packet = bytes(marked)
    kind = b"\x08\x00" if family == 4 else b"\x86\xdd"
    wire.workload.socket.send(wire.peer.mac + wire.workload.mac + kind + packet)
    got = wire.peer.receive(mark)[14:]
    traffic_class = got[1] if family == 4 else struct.unpack("!H", got[:2])[0] >> 4 & 255
    assert traffic_class == 46 << 2 | ecn
    assert family == 6 or checksum(got[:20]) == 0


def test_the_dscp_is_written_into_what_the_workload_gets(wire: Wire) -> None:
    wire.put_on({"dscp": 10})
    mark = marker()
    got = wire.gets(ipv4(PEER[4], WORKLOAD[4], UDP, udp(5, 6, mark)), mark)
    assert got is not None
    assert got[15] == 10 << 2


@families
def test_a_packet_beyond_the_mtu_goes_to_the_engine(wire: Wire, family: int) -> None:
    wire.put_on({"mtu": 1280})
    before = wire.counters("egress")
    head = 28 if family == 4 else 48
    for size in (1280, 1281):
        mark = marker()
        body = udp(5, 6, mark.ljust(size - head, b"x"))
        wire.sends(ip(family, WORKLOAD[family], PEER[family], UDP, body), mark)
    after = wire.counters("egress")
    assert after.too_big.packets == before.too_big.packets + 1


def test_an_echo_of_the_peer_with_the_same_identifier_is_another_flow(wire: Wire, port: int) -> None:
    wire.put_on(RESTRICTED)
    assert Flow(wire, "icmp", 4, workload_port=port, peer_port=port).sends()
    mark = marker()
    request = ipv4(PEER[4], WORKLOAD[4], ICMP, echo(4, port, mark))
    assert wire.gets(request, mark) is None
