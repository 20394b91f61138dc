"""Adaptation, live: `python -m lab.demo_adapt` (needs root; exit 1 where it does not as its policy says).

A workload is flooded; its policy puts a lockdown on and takes it off again when the flood is over, while a
connection from before goes on. Everything is in namespaces made here and removed at the end.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.flood import flood
from lab.instance import Instance, instance
from lab.measure import TcpFlow, tcp_flow
from lab.namespaces import lab

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
FLOOD_PPS = 6_000
CALM_S, ATTACK_S, AFTER_S = 3, 8, 7


@dataclass(frozen=True)
class Second:
    """What was so at the end of a second."""

    at_s: float
    attacked: bool
    persona: str
    packets: float
    drops: float
    goodput: float


def prepared(up: Instance) -> None:
    """The workload adapts, once this returns."""
    for persona in PERSONAS:
        up.define(persona)
    up.assign("usual")
    up.request("POST", "/v1/policies", POLICY)
    up.request("PUT", "/v1/workloads/web/adaptation", {"policy_id": POLICY["policy_id"]})


def worn(up: Instance) -> str:
    return str(up.request("GET", "/v1/workloads/web")["assignment"]["persona_id"])


def decided(up: Instance) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = up.request("GET", "/v1/workloads/web/adaptation/decisions")["items"]
    return [one for one in found if one["result"] == "done"]


def second(up: Instance, traffic: TcpFlow, begin_s: float, *, attacked: bool) -> Second:
    goodput = traffic.rates(1, 1.0)[0]
    measured = (up.status().get("measured") or {}).get("ingress") or {}
    dropped = measured.get("dropped_packets") or {}
    return Second(
        time.monotonic() - begin_s,
        attacked,
        worn(up),
        measured.get("packets_s") or 0.0,
        float(sum(dropped.values())),
        goodput,
    )


def main() -> int:
    console = Console()
    if os.geteuid() != 0:
        console.print(
            "The demo makes network namespaces and loads eBPF: run it as root (sudo make demo-adapt)."
        )
        return 1
    with lab(3) as network, instance(network) as up, ExitStack() as stack:
        subject, peer, attacker = network.workloads
        up.command("up")
        up.add(subject)
        prepared(up)
        traffic, begin = stack.enter_context(tcp_flow(peer, subject)), time.monotonic()
        show(console, None)
        seconds = []
        for length, attacked in ((CALM_S, False), (ATTACK_S, True), (AFTER_S, False)):
            with flood(attacker, subject, rate=FLOOD_PPS) if attacked else ExitStack():
                for _ in range(length):
                    seconds.append(second(up, traffic, begin, attacked=attacked))
                    show(console, seconds[-1])
        return told(console, decided(up))


def show(console: Console, found: Second | None) -> None:
    """A line a second; None: the headings."""
    if found is None:
        console.print(
            f"{'':>7}  {'flood':6} {'persona':8} {'came in':>10} {'dropped':>10} {'flow from before':>17}"
        )
        return
    console.print(
        f"{found.at_s:5.1f} s  {'yes' if found.attacked else '-':6} {found.persona:8}"
        f" {found.packets:6.0f} pps {found.drops:6.0f} pps {found.goodput / 1e6:10.2f} Mbit/s"
    )


def told(console: Console, decisions: list[dict[str, Any]]) -> int:
    table = Table(title="decisions", title_justify="left")
    for heading in ("at", "persona", "reason"):
        table.add_column(heading, overflow="fold")
    for one in decisions:
        table.add_row(one["at"], one["persona"], one["reason"])
    console.print(table)
    holds = [one["persona"] for one in decisions] == ["closed", "usual"]
    console.print(
        "The lockdown came and went." if holds else "[red]The lockdown was to come once, and go once."
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
