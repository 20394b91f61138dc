"""Measured conditions from packets to the API, through a real agent and manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab.instance import Instance, eventually, instance
from lab.measure import tcp_flow
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def up(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        made.command("up")
        made.add(network.workloads[0])
        made.request("POST", "/v1/personas", {"persona_id": "lag", "egress": {"latency": "20ms"}})
        made.request("PUT", "/v1/workloads/web/persona?wait=5s", {"persona_id": "lag"})
        yield made


def history(up: Instance, since: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = up.request("GET", f"/v1/workloads/web/measured{since}")["items"]
    return found


def test_samples_come_while_there_is_traffic(up: Instance, network: Lab) -> None:
    with tcp_flow(*network.workloads):
        eventually(lambda: len(history(up)) >= 4)
        newest = up.status()["measured"]
        assert newest["egress"]["rtt"]["min_ms"] == pytest.approx(20, rel=0.1)
        assert newest["age_s"] < 5
    samples = history(up)
    times = [one["at"] for one in samples]
    assert times == sorted(times)
    later = history(up, "?since=" + times[1].replace("+", "%2B"))
    assert [one["at"] for one in later][: len(times) - 2] == times[2:]
