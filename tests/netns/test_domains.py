"""A real virtual machine of libvirt and QEMU, found by name and followed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from lab.instance import Instance, eventually, instance
from lab.machines import Libvirt, installed, libvirt
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "20ms"}}
MACS = ("52:54:00:00:77:01", "52:54:00:00:77:02")
FOLLOWED_WITHIN_S = 1.0


@dataclass
class World:
    network: Lab
    libvirt: Libvirt
    product: Instance
    machine: Any

    def interface(self) -> str:
        return str(self.product.status("db").get("interface"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    assert installed(), "libvirtd or QEMU is missing: scripts/setup-system installs them"
    with lab(1) as network, libvirt(network.host, network.bridge) as service, instance(network) as product:
        machine = service.define("db", *MACS)
        product.command("up", "--libvirt", service.uri)
        product.define(LAG)
        yield World(network, service, product, machine)


def test_a_machine_is_waited_for_and_must_be_told_by_nic(world: World) -> None:
    missing = world.product.command("workload", "add", "db", "--domain", "db", "--wait", "5s")
    assert "does not run" in missing.stderr
    world.machine.create()
    eventually(lambda: world.product.status("db").get("phase") == "refused")
    assert MACS[1] in world.product.status("db")["message"], "the NICs to choose from are named"
    world.product.command("workload", "remove", "db")
    for number, mac in enumerate(MACS):
        taps = [f"--interface={number}", f"--interface={mac}"]
        assert len({_tap(world, option) for option in taps}) == 1


def _tap(world: World, option: str) -> str:
    world.product.command("workload", "add", "db", "--domain", "db", option)
    tap = world.interface()
    world.product.command("workload", "remove", "db")
    return tap


def test_a_machine_that_is_started_again_wears_its_persona_within_a_second(world: World) -> None:
    if not world.machine.isActive():
        world.machine.create()
    world.product.command("workload", "add", "db", "--domain", "db", "--interface", MACS[0])
    world.product.assign("lag", "db")
    first = world.interface()
    world.machine.destroy()
    eventually(lambda: world.product.status("db").get("phase") == "missing")
    before = world.product.attached_ifindexes()
    world.machine.create()
    there = time.monotonic()
    eventually(lambda: len(world.product.attached_ifindexes() - before) == 1)
    assert time.monotonic() - there < FOLLOWED_WITHIN_S
    eventually(lambda: world.product.status("db").get("phase") == "attached")
    assert world.interface() != first, "libvirt gives a new TAP a new name"
    assert world.product.status("db")["persona_id"] == "lag"
    # The boot ROM asks for an address: packets of a real guest pass under the persona.
    eventually(lambda: world.product.status("db").get("proof") == "seen", within_s=30)
    eventually(lambda: world.product.status("db")["lanes"]["egress"]["emitted"] > 0, within_s=30)
