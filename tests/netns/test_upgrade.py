"""Upgrades: a release of another layout that is up, under traffic, and the state that one left behind."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

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
    persona.put_on({"persona_id": "lag", "egress": {"latency": f"{LAG_MS}ms"}})
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


MADE_BY_F673CEA = Path(__file__).with_name("f673cea")
"""What that release left behind at `down`: its store as SQL, its journal, and what its API had shown."""


def leave_behind(state_dir: Path, subject: Workload) -> None:
    """The state directory of the release, whose workload `web` is the subject."""
    sql = (MADE_BY_F673CEA / "store.sql").read_text().replace("np-t32307-0-w0", subject.namespace.name)
    for part in ("manager", "agent"):
        (state_dir / part).mkdir(parents=True)
    with closing(sqlite3.connect(state_dir / "manager" / "netpersona.db")) as store:
        store.executescript(sql)
    shutil.copy(MADE_BY_F673CEA / "journal.json", state_dir / "agent" / "journal.json")


def worn(shown: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: shown[key] for key in ("persona_id", "persona_revision", "persona")} if shown else None


def summary(workload: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a workload wears all that releases show alike."""
    assignment = workload["assignment"] or {}
    return {
        "worn": worn(workload["assignment"]),
        "expires_at": assignment.get("expires_at"),
        "fallback": worn(assignment.get("fallback")),
        "previous": worn(workload["previous"]),
    }


def test_the_state_of_an_older_release_is_taken_over(persona: Instance, network: Lab, tmp_path: Path) -> None:
    subject, peer = network.workloads[:2]
    leave_behind(persona.state_dir, subject)
    persona.command("up")
    workloads = {one["workload_id"]: one for one in persona.request("GET", "/v1/workloads")["items"]}
    before = json.loads((MADE_BY_F673CEA / "shown.json").read_text())
    for name, said in before.items():
        spec = said.pop("spec")
        assert summary(workloads[name]) == said, name
        shown = {key: value for key, value in workloads[name]["spec"].items() if key != "netns"}
        assert shown.items() >= {key: value for key, value in spec.items() if key != "netns"}.items()
    log = tmp_path / "ping"
    eventually(lambda: persona.status()["phase"] == "attached")
    with pinging(subject, peer.ipv4, log):
        eventually(lambda: len(lagging(log)) > 20)
    assert all(lagging(log)[5:]), "lag is in force, as its third revision says"
