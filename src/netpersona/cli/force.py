"""Whether what was asked is applied and in force: by the agent, and conditions by the packet engine, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from netpersona.cli.connection import Settings, connect, get_known
from netpersona.cli.errors import CliError, warn

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.host import Host
    from netpersona.kinds.workload import Workload

SILENT_S = 12.0
"""Agents report their host every five seconds."""
DEAD_NS = 1_000_000_000
"""Programs give an engine up after 150 ms; for a person it does not run once it has not for a second."""
NEWS_S = 6.0
POLL_S = 0.05


def poll(api: Client, workload: Workload, reached: Callable[[Workload], bool], patience_s: float) -> Workload:
    """The workload once it is as wished, or as it is after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not reached(workload) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        workload = get_known(api, workload.kind, workload.name)
    return workload


def is_seen(workload: Workload) -> bool:
    """An agent has reported on it."""
    return workload.state.status is not None


def is_applied(workload: Workload) -> bool:
    return workload.state.is_applied


def require_applied(workload: Workload, patience_s: float) -> None:
    """What was asked is stored; a person also wants to know whether packets see it."""
    state = workload.state
    phase = state.status.phase if state.status else None
    nothing_to_take_off = phase in ("missing", "refused") and not state.assignment
    if patience_s == 0 or nothing_to_take_off:
        return
    if phase not in (None, "attached"):
        raise CliError(f"stored, but the workload is {state.said}", "it is applied once that is put right")
    if not state.is_applied:
        raise CliError(
            f"stored, but no agent has applied it within {patience_s:g} s",
            "it is applied as soon as its agent runs; see `netpersona status`",
        )


def doubts(api: Client, workloads: Sequence[Workload]) -> list[str]:
    """One line for each host where what workloads wear is not in force, or not known to be."""
    from netpersona.kinds.host import HOST

    worn = [workload for workload in workloads if workload.state.assignment]
    lines = []
    for host in sorted(api.all(HOST), key=lambda host: host.name) if worn else ():
        here = [workload for workload in worn if workload.spec.host == host.name]
        if here and (age_s := silence_s(host)) > SILENT_S:
            lines.append(_silent(host.name, age_s))
        elif engine_is_dead(host) and (affected := [w for w in here if _has_conditions(api, w)]):
            lines.append(_not_in_force(host.name, affected))
    return lines


def engine_is_dead(host: Host) -> bool:
    engine = host.spec.engine
    age = engine.get("heartbeat_age_ns")
    return "alive" in engine and not engine["alive"] and (age is None or age >= DEAD_NS)


def silence_s(host: Host) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(host.state.seen_at)).total_seconds()


def require_in_force(api: Client, workload: Workload) -> None:
    """Exit 1 where a persona has been applied and its conditions are not in force all the same."""
    if not workload.state.assignment:
        return
    _await_news(api, workload)
    _require(doubts(api, [workload]))


def require_known(settings: Settings, workloads: Sequence[Workload]) -> None:
    """Exit 1 where what is worn is not in force, or not known to be."""
    if any(workload.state.assignment for workload in workloads):
        with connect(settings) as api:
            _require(doubts(api, workloads))


def _require(lines: Sequence[str]) -> None:
    for line in lines:
        warn(line)
    if lines:
        raise typer.Exit(1)


def _await_news(api: Client, workload: Workload) -> None:
    """Where the engine was still when it was applied: until the next report of its host."""
    from netpersona.kinds.host import HOST

    status = workload.state.status
    if status is None or status.engine.get("alive", True) or not status.observed_at:
        return
    applied, deadline = datetime.fromisoformat(status.observed_at), time.monotonic() + NEWS_S
    while time.monotonic() < deadline:
        host = api.find(HOST, workload.spec.host)
        if host is None or datetime.fromisoformat(host.state.seen_at) > applied:
            return
        time.sleep(POLL_S)


def _has_conditions(api: Client, workload: Workload) -> bool:
    """By the newest revision of the persona; one that cannot be read is taken to have some."""
    from netpersona.kinds.persona import InvalidDocument, presets
    from netpersona.kinds.persona.kind import PERSONA

    assert workload.state.assignment
    name = workload.state.assignment.persona_id
    stored = api.find(PERSONA, name)
    try:
        persona = stored.spec if stored else presets()[name]
    except (KeyError, InvalidDocument):
        return True
    return persona.egress.acts or persona.ingress.acts


def _silent(host: str, age_s: float) -> str:
    from netpersona.kinds.moments import span

    return (
        f"the agent of host {host} has not reported for {span(age_s)}: whether what is worn there is in force"
        " is not known; see `sudo netpersona status`, start it with `sudo netpersona up`"
    )


def _not_in_force(host: str, workloads: Sequence[Workload]) -> str:
    names = ", ".join(workload.name for workload in workloads[:3])
    more = f" and {len(workloads) - 3} more" if len(workloads) > 3 else ""
    return (
        f"the packet engine of host {host} does not run: the conditions of {names}{more} are NOT in force"
        " (packets pass without them, or are dropped where engine_failure is closed);"
        " `sudo netpersona up` starts it"
    )
