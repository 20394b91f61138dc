"""`netpersona verify` on the whole product: what holds, what does not, and the exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab.instance import Instance, instance
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def product(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        made.add(network.workloads[0])
        yield made


Rows = dict[tuple[str, str], Any]


def verify(product: Instance, *options: str, code: int = 0) -> Rows:
    """The verdict of each row. What holds is asked three times: while the machine stalls it does not."""
    for _ in range(3):
        said = product.command("verify", "web", *options, "-o", "json", check=False)
        if said.returncode == code:
            break
    assert said.returncode == code, said.stdout + said.stderr
    rows = json.loads(said.stdout)["rows"]
    return {(row["direction"], row["quantity"]): row["verdict"] for row in rows}


JITTER = "jitter (standard deviation)"
CORRELATED = {"latency": "12ms", "jitter": "3ms", "distribution": "normal", "correlation": "40%"}
CONDITIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "jitter": (CORRELATED, {"delay", JITTER, "correlation of successive delays (ranks)"}),
    "loss": ({"loss": "20%", "duplicate": "20%", "corrupt": "20%"}, {"loss", "duplicate", "corrupt"}),
    "rate": ({"bandwidth": "8mbit", "latency": "5ms"}, {"rate", "delay", "loss"}),
    "slow": ({"bandwidth": "128kbit", "queue_length": 5}, {"rate", "delay", "loss"}),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_is_verified_in_both_directions(product: Instance, name: str) -> None:
    conditions, quantities = CONDITIONS[name]
    product.put_on({"persona_id": name, "seed": 3, "egress": conditions, "ingress": conditions})
    verdicts = verify(product)
    for direction in ("egress", "ingress"):
        assert {verdicts[(direction, quantity)] for quantity in quantities} == {"yes"}, verdicts


def test_nothing_and_everything_lost_hold(product: Instance) -> None:
    product.put_on({"persona_id": "half", "egress": {"loss": "100%"}})
    verdicts = verify(product)
    assert verdicts["egress", "loss"] == verdicts["ingress", "loss"] == "yes"
    assert ("egress", "delay") not in verdicts


def test_few_probes_are_no_success(product: Instance) -> None:
    product.put_on({"persona_id": "rare", "egress": {"loss": "1%"}})
    assert verify(product, "--probes", "30", code=1)["egress", "loss"] in ("too few", "no")


def test_a_firewall_is_verified_statement_by_statement(product: Instance) -> None:
    rule = {"protocol": "tcp", "port": 25, "action": "drop"}
    product.put_on({"persona_id": "shut", "security_profile": "restricted", "filtering_rules": [rule]})
    verdicts = verify(product)
    assert {verdict for (_, what), verdict in verdicts.items() if ":" in what or "," in what} == {"yes", None}
    assert verdicts["ingress", "profile restricted: anything else"] == "yes"
    assert verdicts["egress", "rule 1: tcp to port 25"] == "yes"
    assert verdicts["ingress", "rule 1: tcp to port 25"] is None  # the profile decides before it


def test_what_is_not_done_does_not_hold(product: Instance) -> None:
    """The engine is dead and the persona fails open: the delay is asked for and not there."""
    product.put_on({"persona_id": "lag", "egress": {"latency": "12ms"}})
    assert verify(product)[("egress", "delay")] == "yes"
    product.kill("engine")
    time.sleep(0.2)
    holds = verify(product, code=1)
    assert holds[("egress", "delay")] == "no"
    assert holds[("egress", "loss")] == "yes"
    product.command("up")
    assert verify(product)[("egress", "delay")] == "yes"


def test_a_cancelled_verification_ends_at_the_agent(product: Instance) -> None:
    """The next one of the host does not wait for its hundred seconds."""
    product.put_on({"persona_id": "plain"})
    long = {"probes": 100_000, "interval": "10ms", "at_most": "100s"}
    path = "/v1/workloads/web/verifications"
    first = product.request("POST", path, long)["verification_id"]
    second = product.request("POST", path, {"probes": 200})["verification_id"]
    wait_for(lambda: product.request("GET", f"{path}/{first}")["state"] == "running")
    assert product.request("GET", f"{path}/{first}")["takes_s"] > 50
    assert product.request("GET", f"{path}/{second}")["position"] == 1
    assert product.request("DELETE", f"{path}/{first}")["state"] == "cancelled"
    wait_for(lambda: product.request("GET", f"{path}/{second}")["state"] == "done")


def wait_for(done: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
