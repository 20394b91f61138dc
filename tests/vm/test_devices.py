"""The NICs of the virtual machine: real drivers, two of each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("driver", ["e1000e", "vmxnet3", "virtio_net"])
def test_there_are_two_nics_of_each_driver(driver: str) -> None:
    devices = Path("/sys/class/net").glob("*/device/driver")
    assert [path.resolve().name for path in devices].count(driver) == 2
