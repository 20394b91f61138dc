"""Hardware settings on real interfaces: veth and TAP in a namespace."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lab.namespaces import Lab, lab
from tests.driver_contract import DriverContract, look, wanting

from netpersona.datapath import (
    Assigned,
    Endpoint,
    Ethtool,
    Facing,
    HardwareRefused,
    NicDriver,
    Records,
    Target,
)
from netpersona.datapath.links import ifindex_of
from netpersona.datapath.nic.ethtool import Nic
from netpersona.kinds.hardware import HardwareReport, Value
from netpersona.kinds.persona import compile_persona, from_mapping

pytestmark = pytest.mark.netns
ROOT = Path(__file__).parents[2]


class Mortal:
    """The real access for an agent that ends before or after one of its calls."""

    def __init__(self, real: Ethtool) -> None:
        self.real = real
        self.moment: int | None = None

    def read(self, ifindex: int) -> Nic | None:
        if self.moment == 0:
            raise OSError("as if killed")
        return self.real.read(ifindex)

    def changed(self) -> set[int] | None:
        return self.real.changed()

    def put(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        self._pass()
        self.real.put(ifindex, step, values)
        self._pass()

    def _pass(self) -> None:
        if self.moment is not None:
            if self.moment <= 0:
                raise OSError("as if killed")
            self.moment -= 1


class World:
    """Two veths, and a directory."""

    def __init__(self, network: Lab, directory: Path) -> None:
        self._network, self._directory = network, directory
        self.access = Mortal(Ethtool())
        first, second = (Endpoint(name, ifindex_of(name), Facing.WORKLOAD) for name in ("w0", "w1"))
        self.interfaces = (first, second)
        self.restart()

    def unplug(self, endpoint: Endpoint) -> None:
        self._network.host.run("ip", "link", "del", endpoint.interface)

    def cut_at(self, moment: int | None) -> None:
        self.access.moment = moment

    def restart(self) -> None:
        self.driver = NicDriver(self.access, Records(self._directory, "this boot"))

    def settings(self, interface: str = "w0") -> dict[str, Any]:
        nic = self.access.read(ifindex_of(interface))
        assert nic is not None
        return dict(nic.settings)

    def wear(self, assigned: Assigned | None, sequence: int = 1, interface: str = "w0") -> None:
        endpoint = Endpoint(interface, ifindex_of(interface), Facing.WORKLOAD)
        wanted = wanting(Target("web", endpoint.ifindex, endpoint, assigned, sequence))
        for change in self.driver.plan(look(self.driver, wanted), wanted):
            self.driver.apply(change)

    def report(self) -> HardwareReport:
        return HardwareReport.model_validate(self.driver.report(self.interfaces[0].ifindex))

    def close(self) -> None:
        self.access.real.close()


def asking(disruptive: bool = False, **document: Any) -> Assigned:
    persona = compile_persona(from_mapping({"persona_id": "p", **document}))
    return Assigned(persona, allow_disruptive=disruptive)


NOTHING_WORN = Assigned(None)


@pytest.fixture
def network() -> Iterator[Lab]:
    with lab() as built, built.host.entered():
        yield built


@pytest.fixture
def world(network: Lab, tmp_path: Path) -> Iterator[World]:
    made = World(network, tmp_path / "hardware")
    yield made
    made.close()


class TestNic(DriverContract):
    @pytest.fixture
    def world(self, network: Lab, tmp_path: Path) -> Iterator[World]:
        made = World(network, tmp_path / "hardware")
        yield made
        made.close()


def shown(network: Lab, *argv: str) -> str:
    return network.host.run(*argv).stdout


def test_a_veth_takes_what_it_has_and_gives_it_back(network: Lab, world: World) -> None:
    """As ethtool(8) and ip(8) see it, which we do not ask ourselves."""
    before = world.settings()
    world.wear(asking(True, txqueuelen=77, channels={"rx": 2, "tx": 2}, offloads={"tso": False, "gro": True}))
    features = shown(network, "ethtool", "-k", "w0")
    assert "tcp-segmentation-offload: off" in features
    assert "generic-receive-offload: on" in features
    assert "qlen 77" in shown(network, "ip", "link", "show", "w0")
    current = shown(network, "ethtool", "-l", "w0").split("Current hardware settings:")[1]
    assert current.split()[1::2][:2] == ["2", "2"]
    world.wear(NOTHING_WORN, 2)
    assert world.settings() == before


def test_a_tap_coalesces_frames(network: Lab, world: World) -> None:
    network.host.run("ip", "tuntap", "add", "t0", "mode", "tap")
    before = world.settings("t0")
    queue = {"queue_id": 0, "interrupt_coalescing": {"rx_frames": 16}}
    world.wear(asking(queue_configuration=[queue]), interface="t0")
    assert "rx-frames: 16" in shown(network, "ethtool", "-c", "t0").replace("\t", " ")
    world.wear(NOTHING_WORN, 2, "t0")
    assert world.settings("t0") == before


def carrier_changes(world: World, interface: str) -> int:
    link = world.access.real._link(ifindex_of(interface))
    return int(struct.unpack("=I", link[35])[0])  # IFLA_CARRIER_CHANGES


def test_the_class_of_a_change_is_what_the_carrier_says(world: World) -> None:
    calm = carrier_changes(world, "w0")
    world.wear(asking(txqueuelen=77, offloads={"tso": False, "gro": True}))
    assert carrier_changes(world, "w0") == calm
    with pytest.raises(HardwareRefused, match="takes the link down"):
        world.wear(asking(channels={"rx": 2}), 2)
    assert carrier_changes(world, "w0") == calm
    world.wear(asking(True, channels={"rx": 2}), 3)
    assert carrier_changes(world, "w0") > calm


def test_more_than_there_may_be_is_refused_with_what_is_possible(world: World) -> None:
    before = world.settings()
    with pytest.raises(HardwareRefused, match=r"/channels/rx: .* maximum of 2; write 2 or less"):
        world.wear(asking(True, channels={"rx": 64}, txqueuelen=5))
    assert world.settings() == before


@pytest.mark.parametrize(
    "edit",
    [("ethtool", "-K", "w0", "tso", "on"), ("ip", "link", "set", "w0", "txqueuelen", "555")],
    ids=["ethtool", "ip"],
)
def test_what_others_set_is_noticed_reported_and_left(
    network: Lab, world: World, edit: tuple[str, ...]
) -> None:
    wish = asking(txqueuelen=77, offloads={"tso": False})
    world.wear(wish)
    world.wear(wish)
    assert world.report().drift == ()
    network.host.run(*edit)
    world.wear(wish)
    assert world.report().drift != ()
    drifted = world.settings()
    world.wear(wish)
    assert world.settings() == drifted
    world.wear(wish, 2)
    assert world.report().drift == ()


VICTIM = """
import json, os, signal, sys
from pathlib import Path
from netpersona.datapath import Ethtool
from tests.netns.test_nic import World, asking

class Killed(Ethtool):
    left = int(sys.argv[1])
    def put(self, ifindex, step, values):
        self.fall()
        super().put(ifindex, step, values)
        self.fall()
    def fall(self):
        Killed.left -= 1
        if Killed.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

world = World(None, Path(sys.argv[2]))
world.access.real = Killed()
world.wear(asking(True, **json.loads(sys.argv[3])), 2)
"""


def test_killed_with_sigkill_between_any_two_changes_it_is_made_whole(network: Lab, tmp_path: Path) -> None:
    """A real process, a real kernel. The next agent goes on; and another is told that nothing is wanted."""
    with closing(World(network, tmp_path / "found")) as world:
        bare = world.settings()
    second = {"txqueuelen": 99, "channels": {"rx": 2, "tx": 2}, "offloads": {"tso": False, "gro": True}}
    for moment in range(20):
        with closing(World(network, tmp_path / f"{moment}")) as world:
            world.wear(asking(txqueuelen=77))
            old = world.settings()
            argv = [
                sys.executable,
                "-c",
                VICTIM,
                str(moment),
                str(tmp_path / f"{moment}"),
                json.dumps(second),
            ]
            ended = subprocess.run(network.host.command(*argv), cwd=ROOT, capture_output=True, check=False)
            world.restart()
            if ended.returncode == 0:
                world.wear(NOTHING_WORN, 3)
                assert world.settings() == bare
                assert moment >= 6, "three steps, before and after each"
                return
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            world.wear(None, 2)
            assert world.settings() == old
            world.wear(asking(True, **second), 2)
            new = world.settings()
            assert (new["txqueuelen"], new["channels/rx"], new["features/rx-gro"]) == (99, 2, True)
            world.wear(NOTHING_WORN, 3)
            assert world.settings() == bare
    raise AssertionError("it never ended")
