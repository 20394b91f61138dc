"""Whether what workloads wear is in force: conditions need a packet engine, and somebody who says so."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from netpersona.cli.connection import connect
from netpersona.cli.errors import warn
from netpersona.cli.tables import span

if TYPE_CHECKING:
    from netpersona.cli.settings import Settings
    from netpersona.client import Client

SILENT_S = 12.0
"""Agents report their host every five seconds."""
DEAD_NS = 1_000_000_000
"""Programs give an engine up after 150 ms; for a person it does not run once it has not for a second."""
NEWS_S = 6.0
POLL_S = 0.1

Resource = Mapping[str, Any]


def doubts(api: Client, workloads: Sequence[Resource]) -> list[str]:
    """One line for each host where what workloads wear is not in force, or not known to be."""
    worn = [workload for workload in workloads if workload.get("assignment")]
    hosts = {host["host"]: host for host in api.all("hosts")} if worn else {}
    lines = []
    for name, host in sorted(hosts.items()):
        here = [workload for workload in worn if workload["spec"]["host"] == name]
        if here and (age_s := silence_s(host)) > SILENT_S:
            lines.append(_silent(name, age_s))
        elif engine_is_dead(host) and (affected := [w for w in here if _has_conditions(api, w)]):
            lines.append(_not_in_force(name, affected))
    return lines


def engine_is_dead(host: Resource) -> bool:
    engine = host.get("engine") or {}
    age = engine.get("heartbeat_age_ns")
    return "alive" in engine and not engine["alive"] and (age is None or age >= DEAD_NS)


def silence_s(host: Resource) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(host["seen_at"])).total_seconds()


def require_in_force(api: Client, workload: Resource) -> None:
    """Exit 1 where a persona has been applied and its conditions are not in force all the same."""
    if not workload.get("assignment"):
        return
    _await_news(api, workload)
    _require(doubts(api, [workload]))


def require_known(settings: Settings, workloads: Sequence[Resource]) -> None:
    """Exit 1 where what is worn is not in force, or not known to be."""
    if any(workload.get("assignment") for workload in workloads):
        with connect(settings) as api:
            _require(doubts(api, workloads))


def _require(lines: Sequence[str]) -> None:
    for line in lines:
        warn(line)
    if lines:
        raise typer.Exit(1)


def _await_news(api: Client, workload: Resource) -> None:
    """Where the engine was still when it was applied: until the next report of its host."""
    status = workload.get("status") or {}
    if (status.get("engine") or {}).get("alive", True) or not status.get("observed_at"):
        return
    applied, deadline = datetime.fromisoformat(status["observed_at"]), time.monotonic() + NEWS_S
    while time.monotonic() < deadline:
        host = api.find("hosts", workload["spec"]["host"])
        if host is None or datetime.fromisoformat(host["seen_at"]) > applied:
            return
        time.sleep(POLL_S)


def _has_conditions(api: Client, workload: Resource) -> bool:
    """By the newest revision of the persona; one that cannot be read is taken to have some."""
    from netpersona.kinds.persona import PersonaError, from_mapping, presets

    name = workload["assignment"]["persona_id"]
    stored = api.find("personas", name)
    try:
        persona = from_mapping(stored["spec"]) if stored else presets()[name]
    except (KeyError, PersonaError):
        return True
    return persona.egress.acts or persona.ingress.acts


def _silent(host: str, age_s: float) -> str:
    return (
        f"the agent of host {host} has not reported for {span(age_s)}: whether what is worn there is in force"
        " is not known; see `sudo netpersona status`, start it with `sudo netpersona up`"
    )


def _not_in_force(host: str, workloads: Sequence[Resource]) -> str:
    names = ", ".join(str(workload["workload_id"]) for workload in workloads[:3])
    more = f" and {len(workloads) - 3} more" if len(workloads) > 3 else ""
    return (
        f"the packet engine of host {host} does not run: the conditions of {names}{more} are NOT in force"
        " (packets pass without them, or are dropped where engine_failure is closed);"
        " `sudo netpersona up` starts it"
    )
