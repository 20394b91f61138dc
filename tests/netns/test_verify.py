"""`netpersona verify` on the whole product: what holds, what does not, and the exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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


def verify(product: Instance, code: int = 0) -> dict[tuple[str, str], Any]:
    """Whether each row holds."""
    said = product.command("verify", "web", "--probes", "200", "--interval", "3ms", "-o", "json", check=False)
    assert said.returncode == code, said.stdout + said.stderr
    document = json.loads(said.stdout)
    rows = document if isinstance(document, list) else document["rows"]
    return {(row["direction"], row["quantity"]): row["holds"] for row in rows}


CONDITIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "jitter": (
        {"latency": "12ms", "jitter": "3ms", "distribution": "normal"},
        {"delay", "jitter (standard deviation)"},
    ),
    "loss": ({"loss": "10%"}, {"loss"}),
    "duplicate": ({"duplicate": "20%"}, {"duplicate"}),
    "corrupt": ({"corrupt": "10%"}, {"corrupt"}),
    "rate": ({"bandwidth": "8mbit"}, {"rate"}),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_is_verified_in_both_directions(product: Instance, name: str) -> None:
    conditions, quantities = CONDITIONS[name]
    product.wear({"persona_id": name, "seed": 3, "egress": conditions, "ingress": conditions})
    holds = verify(product)
    for direction in ("egress", "ingress"):
        assert all(holds[(direction, quantity)] is True for quantity in quantities), holds


def test_what_is_not_done_does_not_hold(product: Instance) -> None:
    """The engine is dead and the persona fails open: the delay is asked for and not there."""
    product.wear({"persona_id": "lag", "egress": {"latency": "12ms"}})
    assert verify(product)[("egress", "delay")] is True
    product.kill("engine")
    time.sleep(0.2)
    holds = verify(product, code=1)
    assert holds[("egress", "delay")] is False
    assert holds[("egress", "loss")] is True
    product.command("up")
    assert verify(product)[("egress", "delay")] is True
