"""The systemd units: what dies is started again however often, and is known to `netpersona`."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from netpersona.cli.connection import DEFAULT_RUN_DIR, DEFAULT_STATE_DIR
from netpersona.cli.roles import MODULES
from netpersona.datapath.processes import MARKER

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SERVICES = ("manager", "engine", "agent")


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_is_started_again_and_known(role: str) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / f"netpersona-{role}.service")
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["Environment"] == f"{MARKER}={DEFAULT_RUN_DIR}"
    assert f"-m {MODULES[role]} " in unit["Service"]["ExecStart"]
    if role != "engine":
        assert f"--state-dir {DEFAULT_STATE_DIR}" in unit["Service"]["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_has_nothing_to_say_about_them(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        shutil.copy(unit, tmp_path)
    units = sorted(str(path) for path in tmp_path.iterdir())
    said = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in said.stderr.splitlines() if "netpersona" in line]
    # Nobody has made the account here.
    assert not [line for line in ours if "User" not in line], said.stderr
