"""Hardware settings on real drivers: what changes, what the carrier says of it, and what traffic loses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.vm.pairs import Pair, paired

from netpersona.datapath import (
    Assigned,
    Endpoint,
    Ethtool,
    Facing,
    HardwareRefused,
    NicDriver,
    Records,
    Target,
    Wanted,
)
from netpersona.datapath.links import ifindex_of
from netpersona.kinds.persona import compile_persona, from_mapping

pytestmark = pytest.mark.vm


class Hardware:
    """The driver, on one NIC."""

    def __init__(self, pair: Pair, access: Ethtool, directory: Path) -> None:
        self.pair = pair
        self._driver, self._access = NicDriver(access, Records(directory, "this boot")), access
        self._endpoint = Endpoint(pair.interface, ifindex_of(pair.interface), Facing.NETWORK)
        self._sequence = 0

    def settings(self) -> dict[str, Any]:
        nic = self._access.read(self._endpoint.ifindex)
        assert nic is not None
        return dict(nic.settings)

    def apply(self, *, disruptive: bool = False, **document: Any) -> Sequence[str]:
        """Labels of the changes that were made."""
        self._sequence += 1
        persona = compile_persona(from_mapping({"persona_id": "p", **document})) if document else None
        assigned = Assigned(persona, allow_disruptive=disruptive)
        target = Target("nic", self._endpoint.ifindex, self._endpoint, assigned, self._sequence)
        wanted = Wanted({target.ifindex: target}, complete=True)
        changes = self._driver.plan(self._driver.observe(self._driver.scope(wanted)), wanted)
        for change in changes:
            self._driver.apply(change)
        return [change.label for change in changes]


@pytest.fixture(scope="module")
def _directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hardware")


def _hardware(model: str, directory: Path) -> Iterator[Hardware]:
    with paired(model) as pair, closing(Ethtool()) as access:
        yield Hardware(pair, access, directory / model)


@pytest.fixture(scope="module")
def e1000e(_directory: Path) -> Iterator[Hardware]:
    yield from _hardware("e1000e", _directory)


@pytest.fixture(scope="module")
def virtio(_directory: Path) -> Iterator[Hardware]:
    yield from _hardware("virtio-net-pci", _directory)


@pytest.fixture(scope="module")
def vmxnet3(_directory: Path) -> Iterator[Hardware]:
    yield from _hardware("vmxnet3", _directory)


def ethtool(option: str, interface: str) -> dict[str, str]:
    """What ethtool(8) says, which we do not ask ourselves; of maximum and current what comes last."""
    said = subprocess.run(["ethtool", option, interface], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^([\w-]+):\s+(\S+)", said, re.MULTILINE))


def test_coalescing_of_e1000e_is_set_live(e1000e: Hardware) -> None:
    before, carrier = e1000e.settings(), e1000e.pair.carrier_changes
    queue = {"queue_id": 0, "interrupt_coalescing": {"rx_usecs": 125}}
    with e1000e.pair.echoed() as fared:
        assert e1000e.apply(queue_configuration=[queue]) == ["live"]
        assert ethtool("-c", e1000e.pair.interface)["rx-usecs"] == "125"
    assert e1000e.pair.carrier_changes == carrier
    assert fared[0].lost <= 1, "the last one may be under way"
    assert e1000e.apply() == ["live"]
    assert e1000e.settings() == before


def test_what_e1000e_cannot_do_is_refused_and_nothing_is_left_of_it(e1000e: Hardware) -> None:
    """It has rx_usecs of 0, 1, 3, 4 and from 10 on, which only the driver knows."""
    before = e1000e.settings()
    queue = {"queue_id": 0, "interrupt_coalescing": {"rx_usecs": 5}}
    with pytest.raises(HardwareRefused, match="as it was before"):
        e1000e.apply(queue_configuration=[queue], offloads={"tso": False})
    assert e1000e.settings() == before


def test_rings_of_e1000e_take_its_link_down_and_only_if_that_is_allowed(
    e1000e: Hardware, capsys: pytest.CaptureFixture[str]
) -> None:
    before, carrier = e1000e.settings(), e1000e.pair.carrier_changes
    refused = pytest.raises(HardwareRefused, match=r"takes the link down.*allow_disruptive")
    with e1000e.pair.echoed() as fared, refused:
        e1000e.apply(rings={"rx": 512})
    assert (e1000e.settings(), e1000e.pair.carrier_changes, fared[0].lost <= 1) == (before, carrier, True)
    with e1000e.pair.echoed() as fared:
        assert e1000e.apply(disruptive=True, rings={"rx": 512}) == ["flap"]
        assert ethtool("-g", e1000e.pair.interface)["RX"] == "512"
    assert e1000e.pair.carrier_changes == carrier + 2, "down and up"
    assert fared[0].lost > 0
    with capsys.disabled():
        print(f"\ne1000e: setting its rings lost {fared[0].lost} echoes, of 50 a second")
    assert e1000e.apply(disruptive=True) == ["flap"]
    assert e1000e.settings() == before


@pytest.mark.parametrize(
    ("document", "option", "shown"),
    [
        ({"channels": {"combined": 4}}, "-l", ("Combined", "4")),
        ({"rings": {"rx": 128}}, "-g", ("RX", "128")),
    ],
    ids=["channels", "rings"],
)
def test_queues_of_virtio_are_set_up_anew_with_its_link_up(
    virtio: Hardware, document: dict[str, Any], option: str, shown: tuple[str, str]
) -> None:
    before, carrier = virtio.settings(), virtio.pair.carrier_changes
    with virtio.pair.echoed() as fared:
        assert virtio.apply(**document) == ["reinit"]
        assert ethtool(option, virtio.pair.interface)[shown[0]] == shown[1]
    assert virtio.pair.carrier_changes == carrier
    assert fared[0].lost < fared[0].sent / 2, "it goes on"
    assert virtio.apply() == ["reinit"]
    assert virtio.settings() == before


def test_more_channels_than_virtio_has_are_refused_before_anything_is_touched(virtio: Hardware) -> None:
    before = virtio.settings()
    with pytest.raises(HardwareRefused, match=r"/channels/combined: .* write 4 or less"):
        virtio.apply(channels={"combined": 16}, txqueuelen=5)
    assert virtio.settings() == before


def test_rings_of_vmxnet3_take_its_link_down_for_a_moment(vmxnet3: Hardware) -> None:
    before, carrier = vmxnet3.settings(), vmxnet3.pair.carrier_changes
    with pytest.raises(HardwareRefused, match="takes the link down"):
        vmxnet3.apply(rings={"rx": 512})
    assert vmxnet3.pair.carrier_changes == carrier
    with vmxnet3.pair.echoed():
        assert vmxnet3.apply(disruptive=True, rings={"rx": 512}) == ["flap"]
        assert ethtool("-g", vmxnet3.pair.interface)["RX"] == "512"
    assert vmxnet3.pair.carrier_changes == carrier + 2, "down and up"
    assert vmxnet3.apply(disruptive=True) == ["flap"]
    assert vmxnet3.settings() == before
