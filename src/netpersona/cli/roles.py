"""The processes of one instance: how each is started, found, judged and stopped."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import httpx2

from netpersona.cli.errors import CliError
from netpersona.cli.places import (
    Places,
    Record,
    bound_address,
    hand_over,
    listening,
    manager_owner,
    read_record,
    write_record,
)
from netpersona.datapath import processes
from netpersona.datapath.processes import Process

MODULES = {
    "supervisor": "netpersona.cli.supervisor",
    "manager": "netpersona.control",
    "engine": "netpersona.datapath.engine_process",
    "agent": "netpersona.agent",
}
# A packet that is due and a switch that is asked for come before the load they act on.
NICE = {"supervisor": -5, "manager": -5, "engine": -10, "agent": -5}
HOST = "local"
"""The name that the agent of a single machine goes by, and the default host of a workload."""
READY_S = 20.0
GRACE_S = 5.0
BEAT_S = 2.0
"""An engine whose heart does not beat for so long hangs: it beats many times a second, however busy."""
REPORT_S = 12.0
"""An agent that does not report for so long hangs: it does every five seconds."""
LOG_LINES = 15
ALLOW_HOST = "NETPERSONA_ALLOW_HOST"
"""Read by the manager: further names that it answers to."""

Say = Callable[[str], None]


def start_manager(places: Places, listen: str, owner: tuple[int, int], say: Say) -> list[str]:
    """As user and group `owner`. Like the others: replaces one that hangs; the role if it was started."""
    if _runs_as(places, owner) and _answers(places, "/readyz"):
        return []
    stop(places, "manager", say)
    hand_over(places.manager_state, *owner)
    with listening(places, listen) as (unix, tcp):
        command = [
            *("--fd-unix", str(unix.fileno()), "--fd-tcp", str(tcp.fileno())),
            *("--state-dir", str(places.state_dir), "--uid", str(owner[0]), "--gid", str(owner[1])),
        ]
        process = _spawn(places, "manager", command, (unix.fileno(), tcp.fileno()))
        write_record(places, _record(places, bound_address(tcp)))
    _await(places, "manager", process, lambda: _answers(places, "/readyz"), say)
    return ["manager"]


def start_engine(places: Places, beats: Callable[[], bool], say: Say) -> list[str]:
    """`beats` says whether its heart does."""
    if find(places, "engine") and _within(BEAT_S, beats):
        return []
    stop(places, "engine", say)
    process = _spawn(places, "engine", ["--run-dir", str(places.run_dir)])
    _await(places, "engine", process, beats, say)
    return ["engine"]


def start_agent(places: Places, options: Sequence[str], say: Say) -> list[str]:
    """`options` besides those that say where everything is; kept for who starts it again."""
    agents = find(places, "agent")
    if agents and _within(REPORT_S, lambda: _reported(places, agents[0])):
        return []
    stop(places, "agent", say)
    command = [
        *("--run-dir", str(places.run_dir), "--state-dir", str(places.state_dir)),
        *("--manager", f"unix:{places.socket}", "--host", HOST),
        *options,
    ]
    if record := read_record(places):
        write_record(places, replace(record, agent_options=list(options)))
    process = _spawn(places, "agent", command)
    _await(places, "agent", process, lambda: _reported(places, process), say)
    return ["agent"]


def start_supervisor(places: Places, say: Say) -> list[str]:
    if find(places, "supervisor"):
        return []
    command = ["--run-dir", str(places.run_dir), "--state-dir", str(places.state_dir)]
    process = _spawn(places, "supervisor", command)
    say(f"supervisor runs (pid {process.pid})")
    return ["supervisor"]


def stop(places: Places, role: str, say: Say) -> None:
    """Every process of the role. Raises CliError: one does not end."""
    for process in find(places, role):
        if not processes.stop(process, grace_s=GRACE_S):
            raise CliError(f"the {role} (pid {process.pid}) does not end", "see what holds it: `ps -o wchan`")
        say(f"{role} stopped")
    places.pidfile(role).unlink(missing_ok=True)


def find(places: Places, role: str) -> list[Process]:
    """Every process of a role: the recorded one, and any that an interrupted `up` left unrecorded."""
    recorded = processes.read_pidfile(places.pidfile(role))
    uids = {0, *manager_owner(places)[:1]} if role == "manager" else processes.ROOT
    others = processes.find(MODULES[role], places.run_dir, uids)
    return list(dict.fromkeys([*([recorded] if recorded else []), *others]))


def survivor(places: Places) -> Process | None:
    """One of root's that runs: what it sees is what `up` saw. The manager is not: its user may be anybody."""
    ours = (process for role in MODULES if role != "manager" for process in find(places, role))
    return next((process for process in ours if processes.belongs(process)), None)


def require_no_units(places: Places) -> None:
    """Raises CliError where systemd runs a role: it would start again what `down` ends."""
    for role in MODULES:
        unit = f"netpersona-{role}.service"
        if any(processes.unit_of(process) == unit for process in find(places, role)):
            raise CliError(
                f"systemd runs the {role} here ({unit})",
                "use `systemctl`, or stop its units first, netpersona-manager.socket included",
            )


def netns_path() -> str | None:
    path = processes.network_namespace_path(processes.namespace("net"))
    return str(path) if path else None


def _record(places: Places, listen: str) -> Record:
    before = read_record(places)
    return Record(
        listen,
        processes.namespace("net"),
        netns_path(),
        os.environ.get(ALLOW_HOST, ""),
        before.agent_options if before else (),
    )


def _runs_as(places: Places, owner: tuple[int, int]) -> bool:
    return any(processes.belongs(process, {owner[0]}) for process in find(places, "manager"))


def _spawn(places: Places, role: str, options: Sequence[str], pass_fds: Sequence[int] = ()) -> Process:
    process = processes.spawn(
        [sys.executable, "-m", MODULES[role], *options],
        log=places.log(role),
        environment={**os.environ, processes.MARKER: str(places.run_dir)},
        pass_fds=pass_fds,
        nice=NICE[role],
    )
    processes.write_pidfile(places.pidfile(role), process)
    return process


def _await(places: Places, role: str, process: Process, ready: Callable[[], bool], say: Say) -> None:
    deadline = time.monotonic() + READY_S
    while not ready():
        if not process.alive():
            raise _failed(places, role, "ended right after its start")
        if time.monotonic() > deadline:
            raise _failed(places, role, f"was not ready after {READY_S:.0f} s")
        time.sleep(0.02)
    say(f"{role} runs (pid {process.pid})")


def _within(patience_s: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + patience_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def _failed(places: Places, role: str, what: str) -> CliError:
    log = places.log(role)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return CliError(
        f"the {role} {what}",
        f"its whole log is {log}",
        [f"{role}: {line}" for line in lines],
    )


def _answers(places: Places, path: str) -> bool:
    return _get(places, path) is not None


def _reported(places: Places, agent: Process) -> bool:
    """Whether this very agent has told the manager of itself, a moment ago."""
    answer = _get(places, f"/v1/hosts/{HOST}")
    if answer is None or answer.json().get("pid") != agent.pid:
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(answer.json()["seen_at"])
    return age.total_seconds() < REPORT_S


def _get(places: Places, path: str) -> httpx2.Response | None:
    """A successful answer of the manager's Unix socket, else None."""
    transport = httpx2.HTTPTransport(uds=str(places.socket))
    try:
        with httpx2.Client(transport=transport, base_url="http://netpersona", timeout=2) as client:
            answer = client.get(path)
    except httpx2.TransportError:
        return None
    return answer if answer.is_success else None
