"""Adaptation by what is measured of real packets: an attack puts a lockdown on, and its end takes it off."""

from __future__ import annotations

from typing import Any

import pytest
from lab.flood import flood
from lab.instance import Instance, eventually, instance
from lab.measure import tcp_flow
from lab.namespaces import lab

pytestmark = pytest.mark.netns

LIMIT = {"egress": {"bandwidth": "8mbit"}, "ingress": {"bandwidth": "8mbit"}}
PERSONAS: tuple[dict[str, Any], ...] = (
    {"persona_id": "usual", **LIMIT},
    {"persona_id": "closed", **LIMIT, "security_profile": {"name": "closed"}, "established_flows": "keep"},
)
POLICY = {
    "policy_id": "under-attack",
    "rules": [
        {"when": "ingress.packets > 2kpps for 1s", "persona": "closed"},
        {"when": "ingress.drops > 1kpps for 1s", "persona": "closed"},
    ],
    "default": "usual",
    "dwell": "2s",
}


def test_an_attack_puts_the_lockdown_on_and_its_end_takes_it_off() -> None:
    """While it lasts the lockdown stays, though nothing of the attack comes in any more."""
    with lab(3) as network, instance(network) as up:
        subject, peer, attacker = network.workloads
        up.command("up")
        up.add(subject)
        for persona in PERSONAS:
            up.define(persona)
        up.assign("usual")
        up.request("POST", "/v1/policies", POLICY)
        up.request("PUT", "/v1/workloads/web/adaptation", {"policy_id": "under-attack"})
        with tcp_flow(peer, subject) as flow:
            with flood(attacker, subject, rate=6_000):
                eventually(lambda: _worn(up) == "closed", within_s=20)
                rates = [(_worn(up), *flow.rates(1, 1.0)) for _ in range(5)]
            assert {worn for worn, _ in rates} == {"closed"}
            assert min(rate for _, rate in rates[1:]) > 6e6, "the flow from before goes on"
            eventually(lambda: _worn(up) == "usual", within_s=20)
        decisions = up.request("GET", "/v1/workloads/web/adaptation/decisions")["items"]
        assert [one["persona"] for one in decisions if one["result"] == "done"] == ["closed", "usual"]


def _worn(up: Instance) -> str:
    return str(up.request("GET", "/v1/workloads/web")["assignment"]["persona_id"])
