"""revert-to-default: no persona, and the interface as it was found before the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from netpersona.cli.connection import connect, get_known, settings_of
from netpersona.cli.errors import CliError, note
from netpersona.cli.force import is_applied, poll, require_applied
from netpersona.cli.options import Wait, WorkloadName, seconds
from netpersona.cli.output import Format, Output, View, emit

if TYPE_CHECKING:
    from netpersona.kinds.hardware import HardwareReport
    from netpersona.kinds.hardware.asked import Value
    from netpersona.kinds.workload import Workload


def revert_to_default(
    ctx: typer.Context, workload: WorkloadName, wait: Wait = "10s", output: Output = Format.table
) -> None:
    """Take the persona off and compare the interface with what it was before the first one.

    Exit 1 unless every setting that personas changed is as it was found.
    """
    from netpersona.kinds.workload import WORKLOAD

    with connect(settings_of(ctx)) as api:
        found = get_known(api, WORKLOAD, workload)
        report = _report(found)
        saved = dict(report.saved) if report else {}
        after = poll(api, api.release(workload), is_applied, seconds(wait))
        require_applied(after, seconds(wait))
        after = poll(api, after, lambda now: not _differing(now, saved), seconds(wait) if saved else 0)
    emit(_compared(after, saved), output)
    if not saved:
        note(f"no persona had changed a setting of the interface of {workload}")
    if differing := _differing(after, saved):
        raise CliError(
            f"the interface of {workload} is not as it was: {', '.join(differing)}",
            f"see `netpersona describe workload {workload}` and the agent's log",
        )


def _report(workload: Workload) -> HardwareReport | None:
    from netpersona.kinds.hardware import HardwareReport

    hardware = workload.state.status.hardware if workload.state.status else None
    return HardwareReport.model_validate(hardware) if hardware is not None else None


def _now(workload: Workload, key: str) -> Value:
    report = _report(workload)
    return report.all_settings.get(key) if report else None


def _differing(workload: Workload, saved: Mapping[str, Value]) -> list[str]:
    return [key for key, before in saved.items() if _now(workload, key) != before]


def _compared(workload: Workload, saved: Mapping[str, Value]) -> View:
    from netpersona.kinds.plans import shown

    rows = [(key, before, _now(workload, key)) for key, before in saved.items()]
    return View(
        columns=("SETTING", "FOUND", "NOW", "AS FOUND"),
        rows=[(key, shown(old), shown(now), "yes" if old == now else "NO") for key, old, now in rows],
        data=[{"key": key, "found": old, "now": now, "as_found": old == now} for key, old, now in rows],
        names=[key for key, _, _ in rows],
        empty="released",
    )
