"""Real containers of podman, found by name and followed."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lab.containers import Podman, installed, podman
from lab.instance import Instance, eventually, instance
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "20ms"}}
FOLLOWED_WITHIN_S = 1.0


@dataclass
class World:
    network: Lab
    podman: Podman
    product: Instance

    def add(self, name: str, *options: str) -> None:
        self.product.command("workload", "add", name, "--container", name, *options)

    def phase(self, name: str) -> str:
        return str(self.product.status(name).get("phase"))

    def phase_or_none(self, name: str) -> str | None:
        items = self.product.request("GET", "/v1/workloads")["items"]
        found = [item for item in items if item["workload_id"] == name]
        return str((found[0]["status"] or {}).get("phase")) if found else None

    def delay_ms(self, name: str) -> float:
        """The shortest of some round trips from the container to its gateway."""
        ping = ("ping", "-c", "3", "-i", "0.05", "-W", "2", "10.88.0.1")
        times = re.findall(r"time=([0-9.]+) ms", self.podman.inside(name, *ping).stdout)
        return min(float(found) for found in times)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Podman with two containers, and a netpersona that listens to it and to labels."""
    assert installed(), "podman, runc or busybox is missing: scripts/setup-system installs them"
    with lab(1) as network, podman(network.host) as service, instance(network) as product:
        product.command("up", "--container-socket", str(service.socket), "--container-labels")
        product.define(LAG)
        for name in ("web", "other"):
            service.run(name)
        yield World(network, service, product)


@pytest.fixture
def assigned(world: World) -> Iterator[World]:
    """The container `web` wears the persona; afterwards it is no workload any more."""
    world.add("web")
    world.product.assign("lag", "web")
    yield world
    world.product.command("workload", "remove", "web")


def test_a_container_is_found_by_its_name_and_its_id(assigned: World) -> None:
    assert assigned.phase("web") == "attached"
    assert 20 <= assigned.delay_ms("web") < 40
    assert assigned.delay_ms("other") < 15
    identity = assigned.podman.inspect("other")["Id"]
    assigned.product.command("workload", "add", "byid", "--container", identity[:12])
    assert assigned.phase("byid") == "attached"
    assert "web" in assigned.product.command("get", "workloads").stdout
    assigned.product.command("workload", "remove", "byid")


def test_a_restarted_container_wears_its_persona_again_within_a_second(assigned: World) -> None:
    for _ in range(2):
        before = assigned.product.attached_ifindexes()
        assigned.podman.command("restart", "--time", "0", "web")
        there = time.monotonic()
        eventually(lambda: _moved(assigned, before), within_s=10)  # noqa: B023
        assert time.monotonic() - there < FOLLOWED_WITHIN_S
        assert 20 <= assigned.delay_ms("web") < 40
        assert assigned.delay_ms("other") < 15


def _moved(world: World, before: set[int]) -> bool:
    now = world.product.attached_ifindexes()
    return len(now) == 1 and now != before


def test_a_stopped_container_is_missing_until_it_runs(assigned: World) -> None:
    assigned.podman.command("stop", "--time", "0", "web")
    eventually(lambda: assigned.phase("web") == "missing")
    assert "does not run" in assigned.product.status("web")["message"]
    assigned.podman.command("start", "web")
    eventually(lambda: assigned.phase("web") == "attached")
    assert assigned.delay_ms("web") >= 20


def test_a_container_that_is_made_anew_under_its_name_is_followed(world: World) -> None:
    world.podman.run("again")
    world.add("again")
    world.product.assign("lag", "again")
    world.podman.command("rm", "--force", "--time", "0", "again")
    eventually(lambda: world.phase("again") == "missing")
    world.podman.run("again")
    eventually(lambda: world.phase("again") == "attached")
    assert world.delay_ms("again") >= 20
    world.podman.command("rm", "--force", "--time", "0", "again")
    world.product.command("workload", "remove", "again")


def test_an_agent_that_is_killed_while_its_container_restarts_finds_it(assigned: World) -> None:
    assigned.product.kill("agent")
    assigned.podman.command("restart", "--time", "0", "web")
    assigned.product.command("up", "--container-socket", str(assigned.podman.socket), "--container-labels")
    eventually(lambda: assigned.phase("web") == "attached" and assigned.delay_ms("web") >= 20)


def test_a_renamed_interface_inside_does_not_shed_the_persona(assigned: World) -> None:
    """Whoever is root in a container names its interfaces; the host's side is what counts."""
    for command in (("down",), ("name", "mine"), ("up",)):
        assigned.podman.inside("web", "ip", "link", "set", *_renamed(command))
    assigned.podman.inside("web", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth9")
    assigned.product.kill("agent")
    assigned.product.command("up", "--container-socket", str(assigned.podman.socket), "--container-labels")
    eventually(lambda: assigned.phase("web") == "attached")
    assert assigned.delay_ms("web") >= 20
    assigned.podman.command("restart", "--time", "0", "web")


def _renamed(command: tuple[str, ...]) -> tuple[str, ...]:
    return ("mine" if command == ("up",) else "eth0", *command)


def test_a_container_on_the_hosts_network_is_refused(world: World) -> None:
    world.podman.run("bare", "--network", "host")
    ran = world.product.command("workload", "add", "bare", "--container", "bare", check=False)
    assert ran.returncode == 1
    assert "shares the host's network" in ran.stderr
    world.product.command("workload", "remove", "bare")
    world.podman.command("rm", "--force", "--time", "0", "bare")


def test_an_interface_that_is_not_there_is_missing(world: World) -> None:
    ran = world.product.command("workload", "add", "odd", "--container", "web", "--interface", "eth7")
    assert "no veth eth7" in ran.stderr
    world.product.command("workload", "remove", "odd")


def labelled(world: World) -> list[dict[str, object]]:
    items = world.product.request("GET", "/v1/workloads")["items"]
    return [item for item in items if item["spec"]["labelled"]]


def test_a_label_assigns_to_its_container_and_goes_with_it(world: World) -> None:
    label = ("--label", "netpersona.persona=lag", "--label", "netpersona.ttl=1h")
    identity = world.podman.run("tagged", *label)
    name = f"tagged.{identity[:12]}"
    eventually(lambda: world.phase_or_none(name) == "attached")
    assert world.delay_ms("tagged") >= 20
    assert world.product.request("GET", f"/v1/workloads/{name}")["assignment"]["expires_at"]
    assert world.delay_ms("other") < 15
    world.podman.command("restart", "--time", "0", "tagged")
    eventually(lambda: world.delay_ms("tagged") >= 20)
    assert len(labelled(world)) == 1
    world.podman.command("rm", "--force", "--time", "0", "tagged")
    eventually(lambda: not labelled(world))


def test_a_label_touches_nothing_but_its_container(assigned: World) -> None:
    """Neither by a name that another has, nor by what the label says."""
    assigned.podman.run("web.evil", "--label", "netpersona.persona=../../web")
    assigned.podman.run("nobody", "--label", "netpersona.persona=absent")
    eventually(lambda: "web.evil" in _refused(assigned))
    refused = _refused(assigned)
    assert "no name of a persona" in refused["web.evil"]
    assert not labelled(assigned)
    for name in ("web.evil", "nobody"):
        assigned.podman.command("rm", "--force", "--time", "0", name)


def _refused(world: World) -> dict[str, str]:
    return dict(world.product.request("GET", "/v1/hosts/local")["labels_refused"])


@pytest.fixture(scope="module")
def plain() -> Iterator[World]:
    """A podman without events, and a netpersona that was not told to listen to labels."""
    with lab(0) as network, podman(network.host, events="none") as service, instance(network) as product:
        product.command("up", "--container-socket", str(service.socket))
        product.define(LAG)
        service.run("web", "--label", "netpersona.persona=lag")
        yield World(network, service, product)


def test_labels_do_nothing_where_nobody_allowed_them(plain: World) -> None:
    plain.add("web", "--wait", "5s")
    assert plain.phase("web") == "attached"
    assert plain.delay_ms("web") < 15
    assert [item["workload_id"] for item in plain.product.request("GET", "/v1/workloads")["items"]] == ["web"]


def test_a_runtime_without_events_is_listed_instead(plain: World) -> None:
    before = plain.product.attached_ifindexes()
    plain.podman.command("restart", "--time", "0", "web")
    eventually(lambda: _moved(plain, before))


def test_a_runtime_that_went_away_leaves_the_persona_on_and_is_said(plain: World) -> None:
    plain.product.assign("lag", "web")
    pid = plain.podman.inspect("web")["State"]["Pid"]
    plain.podman.stop()
    plain.product.kill("agent")
    plain.product.command("up", "--container-socket", str(plain.podman.socket))
    eventually(lambda: plain.phase("web") == "attached")
    assert len(plain.product.attached_ifindexes()) == 1
    os.kill(pid, signal.SIGKILL)
    gone = ("workload", "add", "gone", "--container", "gone")
    ran = plain.product.command(*gone, check=False)
    assert "podman.sock" in ran.stderr
