"""A release of another layout is up: what `up` does about it, under traffic."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.instance import Instance, eventually, instance
from lab.namespaces import Lab, Workload, lab

from netpersona.datapath.programs.kernel import pins_path

pytestmark = pytest.mark.netns

LAG_MS = 40
ROLES = ("manager", "agent", "engine")


@pytest.fixture
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        yield made


def rename_to_another_layout(run_dir: Path) -> None:
    """What is pinned as releases pinned it that knew one version of everything."""
    for pin in pins_path(run_dir).glob("*_v*"):
        pin.rename(pin.with_name(re.sub(r"_v\d+$", "", pin.name)))


@contextmanager
def pinging(workload: Workload, address: str, log: Path) -> Iterator[None]:
    command = workload.namespace.command("ping", "-D", "-i", "0.02", "-c", "6000", address)
    with log.open("w") as output, subprocess.Popen(command, stdout=output) as process:
        try:
            yield
        finally:
            process.terminate()


def lagging(log: Path) -> list[bool]:
    """For each answer, in order, whether the persona was in force."""
    return [float(ms) > LAG_MS * 0.9 for ms in re.findall(r"time=([\d.]+) ms", log.read_text())]


def test_enforcement_goes_on_until_down_and_again_from_up(
    persona: Instance, network: Lab, tmp_path: Path
) -> None:
    persona.command("up")
    subject, peer = network.workloads[:2]
    persona.add(subject)
    persona.wear({"persona_id": "lag", "egress": {"latency": f"{LAG_MS}ms"}})
    log = tmp_path / "ping"
    with pinging(subject, peer.ipv4, log):
        eventually(lambda: len(lagging(log)) > 20)
        rename_to_another_layout(persona.run_dir)
        before = [persona.process(role) for role in ROLES]
        refused = persona.command("up", check=False)
        assert refused.returncode == 1
        assert "another release of netpersona is up; it was left as it is" in refused.stderr
        assert "run `netpersona down`, then `netpersona up`" in refused.stderr
        assert [persona.process(role) for role in ROLES] == before
        assert all(process and process.alive() for process in before)
        assert all(lagging(log)[5:]), "in force all the while"
        persona.command("down")
        persona.command("up")
        bare = lagging(log).count(False)
        eventually(lambda: all(lagging(log)[-10:]))
        assert bare, "a gap that the message tells of"
