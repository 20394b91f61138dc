"""What is here changes real NICs: it runs nowhere but in the virtual machine of `make test-vm`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _in_the_virtual_machine() -> None:
    vendor = Path("/sys/class/dmi/id/sys_vendor")
    if "NETPERSONA_VM" not in os.environ or vendor.read_text().strip() != "QEMU":
        pytest.skip("runs in a virtual machine: make test-vm")
