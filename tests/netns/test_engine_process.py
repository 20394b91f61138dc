"""The engine as a process: it beats, stops when told to, and says why it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.measure import wait_until
from lab.namespaces import Lab

from netpersona.datapath import KernelDatapath

pytestmark = pytest.mark.netns

ENGINE = (sys.executable, "-m", "netpersona.datapath.engine_process")


@pytest.fixture
def datapath(network: Lab, tmp_path: Path) -> Iterator[KernelDatapath]:
    made = KernelDatapath.open(tmp_path)
    yield made
    with network.host.entered():
        made.destroy()


def test_it_beats_until_it_is_told_to_stop(network: Lab, datapath: KernelDatapath, tmp_path: Path) -> None:
    assert not datapath.engine().alive
    with subprocess.Popen(network.host.command(*ENGINE, "--run-dir", str(tmp_path))) as engine:
        wait_until(lambda: datapath.engine().alive, timeout_s=10, what="the engine's heartbeat")
        engine.terminate()
        assert engine.wait(timeout=5) == 0
    wait_until(lambda: not datapath.engine().alive, timeout_s=0.2, what="the end of the heartbeat")


@pytest.mark.usefixtures("datapath")
def test_it_says_why_it_cannot_run(network: Lab, tmp_path: Path) -> None:
    result = network.host.run(*ENGINE, "--run-dir", str(tmp_path / "nothing"), check=False)
    assert result.returncode == 1
    assert "engine:" in result.stderr
