"""The order of judgement in the kernel: profiles, rules, default action, and the flows they open."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from tests.netns.maps import element
from tests.netns.wire import ACK, FIN, PEER, RST, SYN, TCP, WORKLOAD, Flow, Wire, ip, marker, tcp, udp

from netpersona.datapath.programs.kernel import map_pin

pytestmark = pytest.mark.netns

families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
protocols = pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
DROP_ALL = {"default_action": "drop"}


def opening(protocol: str) -> int:
    return SYN if protocol == "tcp" else 0


@families
@pytest.mark.parametrize(
    ("profile", "allowed"),
    [("restricted", {22}), ("standard", {22, 80, 443}), ("open", {22, 80, 443, 25})],
)
@pytest.mark.parametrize("service", [22, 80, 443, 25])
def test_a_profile_lets_in_its_services(
    wire: Wire, family: int, profile: str, allowed: set[int], service: int, port: int
) -> None:
    wire.put_on({"security_profile": profile})
    flow = Flow(wire, "tcp", family, workload_port=service, peer_port=port)
    before = wire.counters("ingress").dropped_profile.packets
    assert flow.gets(SYN) is (service in allowed)
    assert wire.counters("ingress").dropped_profile.packets - before == (service not in allowed)


@pytest.mark.vm
@families
@protocols
def test_a_restricted_workload_gets_the_replies_to_what_it_opened(
    wire: Wire, family: int, protocol: str, port: int
) -> None:
    wire.put_on({"security_profile": "restricted"})
    flow = Flow(wire, protocol, family, workload_port=port, peer_port=port)
    assert not flow.gets(SYN | ACK, reply=True), "a reply to nothing"
    assert flow.sends(opening(protocol))
    assert flow.gets(SYN | ACK, reply=True)


@families
@pytest.mark.parametrize("protocol", ["udp", "icmp"])
def test_a_restricted_workload_cannot_be_reached(wire: Wire, family: int, protocol: str, port: int) -> None:
    wire.put_on({"security_profile": "restricted"})
    assert not Flow(wire, protocol, family, workload_port=port, peer_port=port).gets()


@families
@protocols
def test_what_no_rule_matches_meets_the_default_action(
    wire: Wire, family: int, protocol: str, port: int
) -> None:
    wire.put_on(DROP_ALL)
    before = wire.counters("egress").dropped_default.packets
    assert not Flow(wire, protocol, family, workload_port=port, peer_port=port).sends(opening(protocol))
    assert wire.counters("egress").dropped_default.packets == before + 1


@pytest.mark.vm
@families
def test_the_first_rule_that_matches_decides(wire: Wire, family: int) -> None:
    rules: list[dict[str, Any]] = [
        {"protocol": "udp", "port": 5001, "action": "drop"},
        {"protocol": "udp", "port": "5000-5010"},
    ]
    wire.put_on({**DROP_ALL, "filtering_rules": rules})
    before = wire.counters("egress").dropped_rule.packets
    verdicts = [
        Flow(wire, "udp", family, workload_port=9, peer_port=port).sends()
        for port in (4999, 5000, 5001, 5010, 5011)
    ]
    assert verdicts == [False, True, False, True, False]
    assert wire.counters("egress").dropped_rule.packets == before + 1


@families
def test_a_rule_of_one_direction_leaves_the_other_alone(wire: Wire, family: int, port: int) -> None:
    rule = {"protocol": "udp", "direction": "ingress", "action": "drop"}
    wire.put_on({"filtering_rules": [rule]})
    assert not Flow(wire, "udp", family, workload_port=port, peer_port=1).gets()
    out = Flow(wire, "udp", family, workload_port=port, peer_port=2)
    assert out.sends()
    assert out.gets(), "a reply follows its flow"


@pytest.mark.parametrize(
    ("prefix", "family", "matches"),
    [
        ("10.77.0.96/29", 4, True),
        ("10.77.0.96/30", 4, False),
        ("fd77::/64", 6, True),
        ("fd77:0:0:1::/64", 6, False),
        ("fd77::102/128", 6, True),
        ("10.77.0.0/16", 6, False),
    ],
)
def test_a_prefix_is_that_of_the_one_opened_to(
    wire: Wire, prefix: str, family: int, matches: bool, port: int
) -> None:
    wire.put_on({"filtering_rules": [{"destination": prefix, "action": "drop"}]})
    flow = Flow(wire, "udp", family, workload_port=port, peer_port=port)
    assert flow.sends() is not matches


def test_a_source_is_the_one_that_opened(wire: Wire, port: int) -> None:
    wire.put_on({"filtering_rules": [{"source": f"{WORKLOAD[4]}/32", "action": "drop"}]})
    flow = Flow(wire, "udp", 4, workload_port=port, peer_port=port)
    assert flow.gets(), "opened by the peer"
    assert flow.sends(), "a reply follows its flow, whatever its source"
    assert not Flow(wire, "udp", 4, workload_port=port, peer_port=1).sends()


def test_a_rule_narrows_a_profile_and_never_widens_it(wire: Wire, port: int) -> None:
    rules = [{"protocol": "tcp", "port": 22, "action": "drop"}, {"protocol": "tcp", "port": 25}]
    wire.put_on({"security_profile": "restricted", "filtering_rules": rules})
    assert not Flow(wire, "tcp", 4, workload_port=22, peer_port=port).gets(SYN)
    assert not Flow(wire, "tcp", 4, workload_port=25, peer_port=port).gets(SYN)


def test_the_hundred_and_twenty_eighth_rule_counts(wire: Wire) -> None:
    rules = [{"protocol": "udp", "port": 30000 + number} for number in range(127)]
    wire.put_on({"filtering_rules": [*rules, {"protocol": "udp", "port": 40000, "action": "drop"}]})
    assert not Flow(wire, "udp", 4, workload_port=9, peer_port=40000).sends()
    assert Flow(wire, "udp", 4, workload_port=9, peer_port=40001).sends()


@families
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_tightening_cuts_what_is_no_longer_allowed_and_loosening_mends_it(
    wire: Wire, family: int, protocol: str, port: int
) -> None:
    # A rule of no effect: connections are tracked only where something judges them.
    loose = {"filtering_rules": [{"protocol": "udp", "port": 1}]}
    wire.put_on(loose)
    flow = Flow(wire, protocol, family, workload_port=25, peer_port=port)
    assert flow.gets(opening(protocol))
    assert flow.sends(SYN | ACK)
    wire.put_on({"security_profile": "restricted"})
    assert not flow.gets()
    assert not flow.sends(), "cut in both directions"
    wire.put_on(loose)
    assert flow.gets()
    assert flow.sends()


def test_keep_keeps_what_was_let_in(wire: Wire, port: int) -> None:
    wire.put_on({"filtering_rules": [{"protocol": "udp", "port": 1}]})
    flow = Flow(wire, "tcp", 4, workload_port=25, peer_port=port)
    assert flow.gets(SYN)
    wire.put_on({"security_profile": "restricted", "established_flows": "keep"})
    assert flow.gets()
    assert flow.sends()
    assert not flow.gets(SYN), "a new connection is judged anew"


KEEPING = {"security_profile": "restricted", "established_flows": "keep"}


@families
def test_keep_keeps_what_was_there_before_anything_was_tracked(wire: Wire, family: int, port: int) -> None:
    wire.put_on({})
    served, refused = (Flow(wire, "tcp", family, workload_port=number, peer_port=port) for number in (25, 26))
    assert served.gets()
    wire.put_on(KEEPING)
    assert served.gets()
    assert not served.gets(SYN), "nothing is opened by it"
    assert served.sends(), "the workload is in it"
    _end_adoption(wire)
    assert served.gets()
    assert served.sends()
    assert not refused.gets(), "too late to have been there before"
    assert not refused.sends()


def test_a_reset_does_not_show_that_the_workload_is_in_a_flow(wire: Wire, port: int) -> None:
    wire.put_on({})
    flow = Flow(wire, "tcp", 4, workload_port=25, peer_port=port)
    assert flow.sends()
    wire.put_on(KEEPING)
    assert flow.gets()
    flow.sends(RST)
    _end_adoption(wire)
    assert not flow.gets()


def test_nothing_is_adopted_where_all_was_tracked_before(wire: Wire, port: int) -> None:
    wire.put_on(KEEPING)
    assert not Flow(wire, "tcp", 4, workload_port=25, peer_port=port).gets(SYN)
    _end_adoption(wire)
    wire.put_on({**KEEPING, "qos_priority": 7})
    assert not Flow(wire, "tcp", 4, workload_port=25, peer_port=port).gets()


def _end_adoption(wire: Wire) -> None:
    """As if tracking had begun when the machine did (struct np_tracking)."""
    attachment = wire.host.attachments[wire.host.subject.host_interface]
    with element(map_pin(wire.host.run_dir, "tracking"), attachment, 16) as tracking:
        struct.pack_into("Q", tracking, 0, 1)


@pytest.mark.parametrize(
    ("workload_port", "peer_port", "passes"),
    [(40000, 443, True), (22, 40000, False)],
    ids=["client", "server"],
)
def test_a_connection_first_seen_in_its_middle(
    wire: Wire, workload_port: int, peer_port: int, passes: bool
) -> None:
    """Opened by the workload if it sends and its port is the higher one; else the peer's to be judged."""
    wire.put_on(
        {
            "security_profile": "restricted",
            "filtering_rules": [{"protocol": "tcp", "port": 22, "action": "drop"}],
        }
    )
    assert Flow(wire, "tcp", 4, workload_port=workload_port, peer_port=peer_port).sends() is passes


def test_a_closed_connection_is_counted_once(wire: Wire, port: int) -> None:
    wire.put_on({"security_profile": "restricted"})
    flow = Flow(wire, "tcp", 4, workload_port=port, peer_port=80)
    before = wire.counters("egress")
    flow.sends(SYN)
    flow.gets(SYN | ACK)
    flow.gets(FIN | ACK)
    flow.sends(FIN | ACK)
    flow.sends(RST)
    after = wire.counters("egress")
    assert after.flows_created == before.flows_created + 1
    assert after.flows_closed == before.flows_closed + 1


def test_a_syn_of_the_peer_does_not_ride_on_the_workloads_connection(wire: Wire, port: int) -> None:
    wire.put_on({"security_profile": "restricted"})
    flow = Flow(wire, "tcp", 4, workload_port=port, peer_port=80)
    assert flow.sends(SYN)
    assert flow.gets(SYN | ACK)
    assert not flow.gets(SYN)
    assert flow.gets(ACK), "and does not harm it"


def test_flows_of_one_place_among_the_recent_are_told_apart(wire: Wire, port: int) -> None:
    """Bit 6 of a port has no part in the choice of the place (np_recent_place)."""
    other = port ^ 1 << 6
    wire.put_on({"filtering_rules": [{"protocol": "udp", "port": other, "action": "drop"}]})
    passes, drops = (Flow(wire, "udp", 4, workload_port=9, peer_port=number) for number in (port, other))
    assert [flow.sends() for _ in range(20) for flow in (passes, drops)] == [True, False] * 20


def test_a_recent_flow_is_judged_by_what_is_worn_now(wire: Wire, port: int) -> None:
    flow, cut = Flow(wire, "udp", 4, workload_port=9, peer_port=port), []
    for _ in range(20):
        wire.put_on({"security_profile": "restricted"})
        cut.append(flow.sends())
        wire.put_on(DROP_ALL)
        cut.append(flow.sends())
    assert cut == [True, False] * 20


def test_other_protocols_are_followed_by_address(wire: Wire) -> None:
    wire.put_on({"security_profile": "restricted"})
    esp = 50
    out, back = marker(), marker()
    assert wire.gets(ip(4, PEER[4], WORKLOAD[4], esp, back), back) is None
    assert wire.sends(ip(4, WORKLOAD[4], PEER[4], esp, out), out)
    assert wire.gets(ip(4, PEER[4], WORKLOAD[4], esp, back), back)


def test_a_packet_cut_short_is_malformed(wire: Wire) -> None:
    wire.put_on({"security_profile": "restricted"})
    before = wire.counters("egress").malformed.packets
    mark = marker()
    broken = bytearray(ip(4, WORKLOAD[4], PEER[4], TCP, tcp(1, 22, SYN, mark)))
    broken[0] = 0x44  # a header of 16 bytes
    assert wire.sends(bytes(broken), mark) is None
    assert wire.counters("egress").malformed.packets == before + 1


@families
def test_dhcp_passes_whatever_the_persona(wire: Wire, family: int) -> None:
    wire.put_on({"security_profile": "restricted", **DROP_ALL})
    client, server = (68, 67) if family == 4 else (546, 547)
    mark = marker()
    assert wire.sends(ip(family, WORKLOAD[family], PEER[family], 17, udp(client, server, mark)), mark)
    mark = marker()
    assert wire.gets(ip(family, PEER[family], WORKLOAD[family], 17, udp(server, client, mark)), mark)
