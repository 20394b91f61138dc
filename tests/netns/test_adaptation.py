"""Adaptation by what is measured of real packets: an attack puts a lockdown on, and its end takes it off."""

from __future__ import annotations

import pytest
from lab.demo_adapt import FLOOD_PPS, decided, prepared, worn
from lab.flood import flood
from lab.instance import eventually, instance
from lab.measure import tcp_flow
from lab.namespaces import lab

pytestmark = pytest.mark.netns


def test_an_attack_puts_the_lockdown_on_and_its_end_takes_it_off() -> None:
    """While it lasts the lockdown stays, though nothing of the attack comes in any more."""
    with lab(3) as network, instance(network) as up:
        subject, peer, attacker = network.workloads
        up.command("up")
        up.add(subject)
        prepared(up)
        with tcp_flow(peer, subject) as traffic:
            with flood(attacker, subject, rate=FLOOD_PPS):
                eventually(lambda: worn(up) == "closed", within_s=20)
                seen = [(worn(up), traffic.rates(1, 1.0)[0]) for _ in range(5)]
            assert {persona for persona, _ in seen} == {"closed"}
            assert min(rate for _, rate in seen[1:]) > 6e6, "the flow from before goes on"
            eventually(lambda: worn(up) == "usual", within_s=20)
        assert [one["persona"] for one in decided(up)] == ["closed", "usual"]
