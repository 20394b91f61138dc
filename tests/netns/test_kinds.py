"""Every kind of workload through the whole product: veth by name, TAP, routed, and the host itself."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from lab.instance import Instance, eventually, instance
from lab.measure import ping_ms
from lab.namespaces import Lab, Namespace, Workload
from tests.netns.wire import UDP, ipv4, ipv6, marker, udp

pytestmark = pytest.mark.netns

LAG = {"persona_id": "lag", "egress": {"latency": "20ms"}, "ingress": {"latency": "10ms"}}
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
VM_MAC, HOST_MAC = b"\x02\0\0\0\x88\x01", b"\x02\0\0\0\x88\x02"


@pytest.fixture
def product(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        yield made


def add(product: Instance, interface: str, *options: str) -> None:
    product.command("workload", "add", "web", "--interface", interface, *options)
    eventually(lambda: product.status().get("phase") == "attached")


def test_a_veth_by_its_name_on_the_host(product: Instance, network: Lab) -> None:
    add(product, network.workloads[0].host_interface)
    product.put_on(LAG)
    times = ping_ms(network.workloads[0], network.workloads[1].ipv4, count=10)
    assert 30 <= min(times) < 40


def test_a_workload_that_is_routed_and_not_bridged(product: Instance, network: Lab) -> None:
    subject, peer = network.workloads
    _route(network.host, subject, 1)
    _route(network.host, peer, 2)
    product.add(subject)
    before = min(ping_ms(subject, "10.88.2.2", count=5))
    product.put_on(LAG)
    for address in ("10.88.2.2", "fd88:2::2"):
        times = ping_ms(subject, address, count=10)
        assert len(times) == 10
        assert 30 <= min(times) < 40 + before
    assert min(ping_ms(peer, "10.88.2.1", count=5)) < 5, "the host itself is not in the way"


def _route(host: Namespace, workload: Workload, number: int) -> None:
    """Take the workload off the bridge and give the host an address towards it, and routes by it."""
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    host.run("ip", "link", "set", workload.host_interface, "nomaster")
    for side, where, interface in (
        (1, host, workload.host_interface),
        (2, workload.namespace, workload.interface),
    ):
        where.run("ip", "address", "add", f"10.88.{number}.{side}/24", "dev", interface)
        where.run("ip", "address", "add", f"fd88:{number}::{side}/64", "dev", interface, "nodad")
    host.run("ip", "address", "add", "fe80::1/64", "dev", workload.host_interface, "nodad")  # NDP asks by it
    workload.namespace.run("ip", "route", "add", "default", "via", f"10.88.{number}.1")
    workload.namespace.run("ip", "route", "add", "default", "via", f"fd88:{number}::1")


def test_the_host_itself_behind_a_nic(product: Instance, network: Lab) -> None:
    """Facing the network: what leaves by the interface is egress, unlike on a veth of a workload."""
    peer = network.workloads[0]
    network.host.run("ip", "link", "set", peer.host_interface, "nomaster")
    network.host.run("ip", "address", "add", "10.77.0.254/24", "dev", peer.host_interface)
    add(product, peer.host_interface, "--facing", "network")
    product.put_on({"persona_id": "out", "security_profile": "restricted", "egress": {"latency": "20ms"}})
    out = network.host.run("ping", "-c", "5", "-i", "0.05", peer.ipv4).stdout
    assert "5 received" in out
    assert float(out.rsplit("= ", 1)[1].split("/")[0]) >= 20
    assert peer.namespace.run("ping", "-c", "1", "-W", "1", "10.77.0.254", check=False).returncode != 0

    def detoured(direction: str) -> int:
        return int(product.status()["counters"][direction]["detoured"]["packets"])

    eventually(lambda: detoured("egress") >= 5)
    assert detoured("ingress") == 0


@contextmanager
def virtual_machine(host: Namespace, name: str) -> Iterator[int]:
    """A TAP held open as a virtual machine holds it. Its reads and writes are the machine's NIC."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        with host.entered():
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        host.run("ip", "link", "set", name, "address", HOST_MAC.hex(":"), "up")
        yield tap
    finally:
        os.close(tap)


def heard(tap: int, mark: bytes, within_s: float = 2) -> int:
    """CLOCK_MONOTONIC nanoseconds at which a frame with the marker was read."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            if mark in os.read(tap, 65535):
                return time.monotonic_ns()
        time.sleep(0.0002)
    raise AssertionError("the frame did not come")


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_a_tap_as_a_virtual_machine_has_it(product: Instance, network: Lab, family: int) -> None:
    """From one TAP over the bridge to another; the first wears the persona."""
    packet_of = ipv4 if family == 4 else ipv6
    vm, other = ("10.88.0.1", "10.88.0.2") if family == 4 else ("fd88::1", "fd88::2")
    kind = b"\x08\x00" if family == 4 else b"\x86\xdd"
    with virtual_machine(network.host, "vm0") as tap, virtual_machine(network.host, "vm1") as peer:
        for name in ("vm0", "vm1"):
            network.host.run("ip", "link", "set", name, "master", network.bridge)
        add(product, "vm0", "--kind", "vm")
        product.put_on(LAG)
        for sender, receiver, source, destination, least_ms in (
            (tap, peer, vm, other, 20),
            (peer, tap, other, vm, 10),
        ):
            mark = marker()
            frame = b"\xff" * 6 + VM_MAC + kind + packet_of(source, destination, UDP, udp(5, 6, mark))
            begin = time.monotonic_ns()
            os.write(sender, frame)
            took_ms = (heard(receiver, mark) - begin) / 1e6
            assert least_ms <= took_ms < least_ms + 10
