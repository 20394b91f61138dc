"""What the product does on a host, also when part of it was killed. Traffic: test_deaths.py."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from functools import partial

import pytest
from lab.instance import Instance, eventually, instance
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def standing(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        yield made


@pytest.fixture
def persona(standing: Instance, network: Lab) -> Iterator[Instance]:
    """Up, with the workload `web`, which wears nothing yet."""
    standing.add(network.workloads[0])
    yield standing
    standing.clear()


def ping(network: Lab, count: int, interval_s: float, wait_s: float = 1) -> tuple[int, float]:
    """Answers received, and their median round trip in ms, between the two workloads."""
    one, other = network.workloads
    options = ["-c", str(count), "-i", str(interval_s), "-W", str(wait_s)]
    text = one.namespace.run("ping", *options, other.ipv4, check=False, timeout=60).stdout
    times = sorted(float(found) for found in re.findall(r"time=([0-9.]+) ms", text))
    return len(times), times[len(times) // 2] if times else 0.0


def ifindex(network: Lab, interface: str) -> int:
    return int(json.loads(network.host.run("ip", "-j", "link", "show", interface).stdout)[0]["ifindex"])


def has_applied(persona: Instance, sequence: int) -> bool:
    return bool(persona.status().get("applied_sequence") == sequence)


def test_killed_anywhere_in_a_row_of_assignments_it_converges(persona: Instance, network: Lab) -> None:
    persona.request("POST", "/v1/personas", LAG)
    persona.request("POST", "/v1/personas", {"persona_id": "drop", "default_action": "drop"})
    source = random.Random(7)
    for _ in range(5):
        agent = persona.process("agent")
        assert agent is not None
        for persona_id in ("lag", "drop", "lag"):
            persona.request("PUT", "/v1/workloads/web/persona", {"persona_id": persona_id})
            time.sleep(source.uniform(0, 0.003))
        persona.kill("agent")
        persona.command("up")
        sequence = persona.request("GET", "/v1/workloads/web")["sequence"]
        eventually(partial(has_applied, persona, sequence))
        received, median = ping(network, 3, 0.02)
        assert received == 3
        assert 5 < median < 60


def test_a_killed_manager_leaves_enforcement_and_forgets_nothing(persona: Instance, network: Lab) -> None:
    sequence = persona.put_on(LAG)["applied_sequence"]
    persona.kill("manager")
    assert ping(network, 3, 0.05)[1] > 5
    persona.command("up")
    assert persona.request("GET", "/v1/workloads/web")["assignment"]["persona_id"] == "lag"
    eventually(lambda: persona.status().get("applied_sequence") == sequence)
    assert persona.assign("lag")["applied_sequence"] > sequence


def test_a_lease_ends_with_the_agent_dead(persona: Instance, network: Lab) -> None:
    persona.put_on(LAG, ttl="1500ms")
    persona.kill("agent")
    assert ping(network, 3, 0.05)[1] > 5
    time.sleep(1.6)
    assert ping(network, 3, 0.05)[1] < 5
    persona.command("up")
    eventually(lambda: persona.status().get("persona_id") is None)
    assert ping(network, 3, 0.05)[1] < 5


def test_a_neighbour_carries_nothing_of_ours(persona: Instance, network: Lab) -> None:
    """That it is not slowed down either is measured in test_neighbour.py."""
    persona.put_on(LAG)

    ours = persona.attached_ifindexes()
    one, other = (workload.host_interface for workload in network.workloads)
    assert ifindex(network, one) in ours
    assert ifindex(network, other) not in ours
    assert "clsact" not in network.host.run("tc", "qdisc", "show", "dev", other).stdout


def test_the_interface_of_the_default_route_is_refused_unless_allowed(
    persona: Instance, network: Lab
) -> None:
    interface = network.workloads[1].host_interface
    network.host.run("ip", "route", "add", "default", "dev", interface)
    try:
        spec = {"kind": "interface", "interface": interface}
        persona.request("POST", "/v1/workloads", {"workload_id": "uplink", **spec})
        eventually(lambda: persona.status("uplink").get("phase") == "refused")
        assert "--allow-management" in persona.status("uplink")["message"]
        persona.request("DELETE", "/v1/workloads/uplink")
        allowed = {"workload_id": "uplink", **spec, "allow_management": True}
        persona.request("POST", "/v1/workloads", allowed)
        eventually(lambda: persona.status("uplink").get("phase") == "attached")
    finally:
        network.host.run("ip", "route", "del", "default")


def test_an_interface_that_is_made_again_wears_its_persona_again(persona: Instance, network: Lab) -> None:
    persona.put_on(LAG)
    workload = network.workloads[0]
    network.host.run("ip", "link", "del", workload.host_interface)
    eventually(lambda: persona.status().get("phase") == "missing")
    network.host.run(
        *("ip", "link", "add", workload.host_interface, "type", "veth"),
        *("peer", "name", workload.interface, "netns", workload.namespace.name),
    )
    network.host.run("ip", "link", "set", workload.host_interface, "master", network.bridge, "up")
    workload.namespace.run("ip", "link", "set", workload.interface, "up")
    workload.namespace.run("ip", "addr", "add", f"{workload.ipv4}/24", "dev", workload.interface)
    eventually(lambda: persona.status().get("phase") == "attached")
    eventually(lambda: ping(network, 1, 0.1)[0] == 1)
    assert ping(network, 3, 0.05)[1] > 5


def test_verify_says_that_what_was_asked_is_done(persona: Instance) -> None:
    persona.put_on({"persona_id": "lossy", "egress": {"latency": "10ms", "loss": "10%"}})
    pending = persona.request("POST", "/v1/workloads/web/verifications", {"interval": "2ms"})
    path = f"/v1/workloads/web/verifications/{pending['verification_id']}"
    eventually(lambda: persona.request("GET", path)["state"] in ("done", "failed"), within_s=30)
    result = persona.request("GET", path)
    assert result["state"] == "done", result["message"]
    judged = {(row["direction"], row["quantity"]): row["holds"] for row in result["rows"]}
    assert judged[("egress", "delay")] is True, result["rows"]
    assert judged[("egress", "loss")] is True
    assert judged[("ingress", "loss")] is True
