"""A persona's settings of an interface, by the command, from file to ethtool(8) and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from lab.instance import Instance, eventually, instance
from lab.namespaces import Lab, lab

from netpersona.datapath import Ethtool
from netpersona.datapath.links import ifindex_of

pytestmark = pytest.mark.netns
FAST_RX = {
    "persona_id": "fast-rx",
    "txqueuelen": 77,
    "offloads": {"tso": False, "gro": True},
    "queue_configuration": [{"queue_id": 0, "interrupt_coalescing": {"rx_usecs": 8}}],
}
LAG = {"persona_id": "lag", "egress": {"latency": "1ms"}}


@pytest.fixture
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        made.add(network.workloads[0])
        yield made


def features(network: Lab, interface: str) -> dict[str, str]:
    shown = network.host.run("ethtool", "-k", interface).stdout.splitlines()
    return {line.split(":")[0].strip(): line.split(":")[1].strip() for line in shown if ": " in line}


def state(network: Lab) -> tuple[dict[str, str], int]:
    """As tools of others see it."""
    interface = network.workloads[0].host_interface
    words = network.host.run("ip", "link", "show", interface).stdout.split()
    return features(network, interface), int(words[words.index("qlen") + 1])


def test_a_persona_sets_an_interface_and_gives_it_back(network: Lab, persona: Instance) -> None:
    before = state(network)
    persona.put_on(FAST_RX)
    eventually(lambda: state(network)[1] == 77)
    there = state(network)[0]
    assert (there["tx-tcp-segmentation"], there["generic-receive-offload"]) == ("off", "on")
    eventually(lambda: "txqueuelen" in hardware(persona)["saved"])
    described = persona.command("describe", "workload", "web").stdout
    assert "driver veth has no coalescing of interrupts" in described
    assert "txqueuelen of the interface (driver veth)" in described
    persona.kill("agent")
    persona.command("up")
    assert state(network)[1] == 77
    persona.request("DELETE", "/v1/workloads/web/persona")
    eventually(lambda: state(network) == before)


def hardware(persona: Instance) -> dict[str, Any]:
    return dict(persona.status("web").get("hardware") or {"saved": {}, "drift": []})


def test_what_others_set_is_told_and_left(network: Lab, persona: Instance) -> None:
    persona.put_on(FAST_RX)
    eventually(lambda: state(network)[1] == 77)
    network.host.run("ip", "link", "set", network.workloads[0].host_interface, "txqueuelen", "555")
    eventually(lambda: hardware(persona)["drift"] == ["txqueuelen"])
    assert state(network)[1] == 555
    persona.request("PUT", "/v1/workloads/web/persona", {"persona_id": "fast-rx"})
    eventually(lambda: state(network)[1] == 77)
    eventually(lambda: hardware(persona)["drift"] == [])


def test_down_gives_interfaces_back_also_after_the_agent_was_killed(network: Lab, persona: Instance) -> None:
    before = state(network)
    persona.put_on(FAST_RX)
    eventually(lambda: state(network)[1] == 77)
    persona.kill("agent")
    persona.command("down")
    assert state(network) == before


def test_a_switch_that_asks_the_same_of_the_interface_touches_it_not(network: Lab, persona: Instance) -> None:
    persona.put_on(FAST_RX)
    eventually(lambda: state(network)[1] == 77)
    with network.host.entered(), closing(Ethtool()) as kernel:
        ifindex = ifindex_of(network.workloads[0].host_interface)
        eventually(lambda: hardware(persona)["saved"] != {})
        kernel.changed()
        persona.put_on({**FAST_RX, "persona_id": "slow-rx", "egress": {"latency": "1ms"}})
        persona.put_on({**FAST_RX, "persona_id": "slower-rx", "egress": {"latency": "2ms"}})
        changed = kernel.changed()
        assert changed is not None
        assert ifindex not in changed
        persona.put_on({**FAST_RX, "persona_id": "longer", "txqueuelen": 78})
        eventually(lambda: ifindex in (kernel.changed() or ()))


def test_what_it_cannot_take_is_an_error_with_the_place_and_nothing_is_touched(
    network: Lab, persona: Instance
) -> None:
    before = state(network)
    persona.define({"persona_id": "many", "channels": {"rx": 64}, "txqueuelen": 5})
    with persona.client() as client:
        refused = client.put("/v1/workloads/web/persona", json={"persona_id": "many"})
    assert refused.status_code == 422
    assert "/channels/rx" in refused.text
    subject = network.workloads[0]
    where = {"kind": "netns", "netns": subject.namespace.name, "interface": subject.interface}
    persona.request("DELETE", "/v1/workloads/web")
    asked = {"workload_id": "web", **where, "persona": {"persona_id": "many", "allow_disruptive": True}}
    persona.request("POST", "/v1/workloads", asked)  # no agent has told yet what the interface can do
    eventually(lambda: persona.status("web").get("phase") == "error")
    said = persona.status("web")["message"]
    assert "/channels/rx" in said
    assert "write 2 or less" in said
    assert state(network) == before
    persona.put_on(LAG)
    eventually(lambda: persona.status("web")["phase"] == "attached")
