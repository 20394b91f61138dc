"""What rtnetlink answers, read by hand."""

from __future__ import annotations

import socket

import pytest
from lab.namespaces import Lab

from netpersona.datapath.errors import EndpointMissing
from netpersona.datapath.netlink import Rtnetlink, inside, netns_path

PREFIXES = 3_000
"""Routes whose dump takes several reads."""


def test_a_link_is_described_by_name_and_by_number(network: Lab) -> None:
    workload = network.workloads[0]
    with Rtnetlink() as rtnetlink:
        bridge, port = rtnetlink.link(network.bridge), rtnetlink.link(workload.host_interface)
        assert bridge is not None
        assert port is not None
        assert (bridge.kind, port.kind, port.master) == ("bridge", "veth", bridge.ifindex)
        assert rtnetlink.link(ifindex=port.ifindex) == port
        with workload.namespace.path.open("rb") as namespace:
            assert rtnetlink.netnsid(namespace.fileno()) == port.peer_netnsid
    inner = inside(workload.namespace.path, lambda rtnetlink: rtnetlink.link(ifindex=port.peer or 0))
    assert inner is not None
    assert (inner.name, inner.peer) == ("eth0", port.ifindex)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("name", ["nowhere", "", "longer-than-any-interface-name", "ä" * 8])
def test_a_name_that_no_interface_has_is_none(name: str) -> None:
    with Rtnetlink() as rtnetlink:
        assert rtnetlink.link(name) is None
        assert rtnetlink.link(ifindex=2**31 - 1) is None


def test_a_namespace_that_is_not_known_here_has_no_number(network: Lab) -> None:
    with (
        network.workloads[0].namespace.path.open("rb") as stranger,
        network.workloads[1].namespace.entered(),
        Rtnetlink() as rtnetlink,
    ):
        assert rtnetlink.netnsid(stranger.fileno()) == -1


def test_default_routes_are_those_of_the_main_table_over_every_hop(network: Lab) -> None:
    run = network.host.run
    run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    run("ip", "link", "add", "other", "up", "type", "bridge")
    run("ip", "address", "add", "10.78.0.254/24", "dev", "other")
    run("ip", "route", "add", "default", "table", "77", "via", "10.78.0.1")
    with Rtnetlink() as rtnetlink:
        assert rtnetlink.default_routes(socket.AF_INET) == []
        hops = ("nexthop", "via", "10.77.0.1", "nexthop", "via", "10.78.0.1")
        run("ip", "route", "add", "default", *hops)
        found = rtnetlink.default_routes(socket.AF_INET)
        assert found == [socket.if_nametoindex(name) for name in (network.bridge, "other")]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_default_route_is_found_among_thousands(network: Lab, family: int) -> None:
    lines = [f"route add 2001:db8:{n:x}::/48 dev {network.bridge}" for n in range(PREFIXES)]
    version = "-6"
    if family == socket.AF_INET:
        lines = [
            f"route add 172.{16 + n // 256}.{n % 256}.0/24 dev {network.bridge}" for n in range(PREFIXES)
        ]
        version = "-4"
    lines.append(f"route add default dev {network.bridge}")
    network.host.run("ip", version, "-batch", "-", stdin="\n".join(lines) + "\n", timeout=60)
    with Rtnetlink() as rtnetlink:
        bridge = [socket.if_nametoindex(network.bridge)]
        assert rtnetlink.default_routes(family) == bridge
        assert rtnetlink.default_routes(family) == bridge  # nothing of the first answer is left


def test_the_way_to_nowhere_is_none(network: Lab) -> None:
    run = network.host.run
    run("ip", "address", "add", "10.77.0.254/24", "dev", network.bridge)
    run("ip", "route", "add", "blackhole", "192.0.2.0/24")
    with Rtnetlink() as rtnetlink:
        assert rtnetlink.way_to("10.77.0.1") == [socket.if_nametoindex(network.bridge)]
        for address in ("192.0.2.1", "198.51.100.1", "2001:db9::1"):
            assert rtnetlink.way_to(address) == []


def test_what_is_no_namespace_is_not_opened() -> None:
    for name in ("nowhere", "/dev/null"):
        with pytest.raises(EndpointMissing, match="no network namespace"):
            netns_path(name)
