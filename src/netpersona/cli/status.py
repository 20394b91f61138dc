"""status: is everything running, is the engine on time, what do the workloads wear."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import completion, figures
from netpersona.cli.connection import Settings, connect, get_known, settings_of
from netpersona.cli.errors import report, warn
from netpersona.cli.force import doubts, engine_is_dead
from netpersona.cli.output import Format, Output, View, emit
from netpersona.client import Unreachable
from netpersona.kinds import traffic
from netpersona.kinds.moments import age, left

if TYPE_CHECKING:
    from netpersona.cli.places import Places
    from netpersona.kinds.host import Host
    from netpersona.kinds.workload import Workload

Process = dict[str, str | int | None]

PROCESSES = ("manager", "agent", "engine", "supervisor")
_IN_TROUBLE = ("error", "refused")


def status(
    ctx: typer.Context,
    workload: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKLOAD",
            help="Only this one, with what is measured of its traffic.",
            autocompletion=completion.workloads,
        ),
    ] = None,
    output: Output = Format.table,
) -> None:
    """Show processes, how late the engine is, and every workload; or one workload and its live measurements.

    Exit 1 when a process that should run does not, a workload is in error, or conditions are not in force.
    """
    settings = settings_of(ctx)
    if workload is not None:
        _of_one(settings, workload, output)
        return
    processes = _processes(settings) if settings.server is None else []
    doubtful: list[str] = []
    try:
        hosts, workloads, doubtful = _asked(settings)
        trouble: Unreachable | None = None
    except Unreachable as error:
        hosts, workloads, trouble = [], [], error
    emit_all(processes, hosts, workloads, output)
    for line in [*(line for workload in workloads for line in workload.kind.troubles(workload)), *doubtful]:
        warn(line)
    if trouble is not None:
        report(trouble)
    if trouble is not None or doubtful or _is_in_trouble(processes, hosts, workloads):
        raise typer.Exit(1)


def _of_one(settings: Settings, name: str, output: Format) -> None:
    from netpersona.kinds.workload import WORKLOAD

    with connect(settings) as api:
        found = get_known(api, WORKLOAD, name)
        doubtful = doubts(api, [found])
    if output is Format.table:
        emit(_workload_view([found]), output)
        print()
    emit(_measured_view(found), output)
    for line in [*WORKLOAD.troubles(found), *doubtful]:
        warn(line)
    if doubtful or (found.state.status and found.state.status.phase in _IN_TROUBLE):
        raise typer.Exit(1)


def _measured_view(workload: Workload) -> View:
    status = workload.state.status
    return View(
        columns=("MEASURED", *traffic.DIRECTIONS),
        rows=list(figures.rows(figures.measured_of(workload))),
        data=status.model_dump(mode="json") if status else None,
        names=[workload.reference],
    )


def _is_in_trouble(
    processes: Sequence[Process], hosts: Sequence[Host], workloads: Sequence[Workload]
) -> bool:
    return (
        any(process["state"] == "stopped" for process in processes)
        or any(engine_is_dead(host) for host in hosts)
        or any(w.state.status and w.state.status.phase in _IN_TROUBLE for w in workloads)
    )


def _processes(settings: Settings) -> list[Process]:
    """Pid files of the run directory, checked against the processes; root finds those of systemd as well."""
    from netpersona.cli.places import Places

    places = Places(settings.run_dir, settings.state_dir)
    return [_process(name, places) for name in PROCESSES]


def _process(name: str, places: Places) -> Process:
    """`off`: none is wanted. A supervisor's pid file is there as long as one is (`up --no-supervise`)."""
    from netpersona.cli import roles
    from netpersona.datapath.processes import read_pidfile

    pidfile = places.pidfile(name)
    process = read_pidfile(pidfile)
    if process is None and os.geteuid() == 0:
        process = next(iter(roles.find(places, name)), None)
    absent = "off" if name == "supervisor" and not pidfile.exists() else "stopped"
    return {
        "process": name,
        "state": "running" if process else absent,
        "pid": process.pid if process else None,
    }


def _asked(settings: Settings) -> tuple[list[Host], list[Workload], list[str]]:
    """Hosts, workloads, and what is not in force."""
    from netpersona.kinds.host import HOST
    from netpersona.kinds.workload import WORKLOAD

    with connect(settings) as api:
        workloads = api.all(WORKLOAD)
        return api.all(HOST), workloads, doubts(api, workloads)


def emit_all(processes: list[Process], hosts: list[Host], workloads: list[Workload], output: Format) -> None:
    views = [_process_view(processes), _engine_view(hosts), _workload_view(workloads)]
    if output is not Format.table:
        data = dict(zip(("processes", "hosts", "workloads"), (view.data for view in views), strict=True))
        emit(View((), (), data, [name for view in views for name in view.names]), output)
        return
    for number, view in enumerate(view for view in views if view.rows):
        print(end="\n" if number else "")
        emit(view, output)


def _process_view(processes: Sequence[Process]) -> View:
    return View(
        columns=("PROCESS", "STATE", "PID"),
        rows=[(str(p["process"]), str(p["state"]), str(p["pid"] or "-")) for p in processes],
        data=processes,
        names=[f"process/{p['process']}" for p in processes],
    )


def _engine_view(hosts: Sequence[Host]) -> View:
    return View(
        columns=("HOST", "ENGINE", "LATE P50", "LATE P99", "SEEN"),
        rows=[_engine_row(host) for host in hosts],
        data=[host.kind.dump(host) for host in hosts],
        names=[host.reference for host in hosts],
    )


def _engine_row(host: Host) -> tuple[str, ...]:
    engine = host.spec.engine
    histogram = engine.get("lateness") or []
    state = "alive" if engine.get("alive") else "stopped"
    seen = age(host.state.seen_at, datetime.now(UTC))
    return host.name, state, lateness(histogram, 0.5), lateness(histogram, 0.99), seen


def _workload_view(workloads: Sequence[Workload]) -> View:
    return View(
        columns=("WORKLOAD", "PERSONA", "SINCE", "EXPIRES", "EGRESS", "INGRESS", "DROPPED", "PHASE"),
        rows=[_workload_row(workload) for workload in workloads],
        data=[workload.kind.dump(workload) for workload in workloads],
        names=[workload.reference for workload in workloads],
    )


def _workload_row(workload: Workload) -> tuple[str, ...]:
    """Packets delivered in each direction since the workload was attached, and dropped by reason."""
    now, state = datetime.now(UTC), workload.state
    worn, seen = state.assignment, state.status.model_dump() if state.status else None
    return (
        workload.name,
        worn.label if worn else "-",
        age(worn.assigned_at, now) if worn else "-",
        left(worn.expires_at if worn else None, now),
        *(f"{traffic.delivered(seen, direction):,}" for direction in traffic.DIRECTIONS),
        traffic.at_a_glance(seen),
        state.phase,
    )


def lateness(histogram: Sequence[int], quantile: float) -> str:
    """Upper bound of a quantile; bucket i counts packets less than 2^i ns late (bpf/layout.h)."""
    wanted, seen = quantile * sum(histogram), 0
    for bucket, count in enumerate(histogram):
        seen += count
        if count and seen >= wanted:
            return f"< {_time(2**bucket)}"
    return "-"


def _time(nanoseconds: int) -> str:
    for unit, length in (("s", 10**9), ("ms", 10**6)):
        if nanoseconds >= length:
            return f"{nanoseconds / length:.3g} {unit}"
    return f"{nanoseconds / 1000:.3g} µs"
