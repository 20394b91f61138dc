"""Waiting for an agent to catch up with what the manager holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from netpersona.cli.connection import get_known
from netpersona.cli.errors import CliError
from netpersona.cli.tables import is_applied, state_of

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject

POLL_S = 0.05


def poll(
    api: Client, workload: JsonObject, reached: Callable[[JsonObject], bool], patience_s: float
) -> JsonObject:
    """The workload once it is as wished, or as it is after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not reached(workload) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        workload = get_known(api, "workloads", workload["workload_id"])
    return workload


def is_seen(workload: JsonObject) -> bool:
    """An agent has reported on it."""
    return workload.get("status") is not None


def require_applied(workload: JsonObject, patience_s: float) -> None:
    """What was asked is stored; a person also wants to know whether packets see it."""
    phase = workload["status"]["phase"] if is_seen(workload) else None
    nothing_to_take_off = phase in ("missing", "refused") and not workload.get("assignment")
    if patience_s == 0 or nothing_to_take_off:
        return
    if phase not in (None, "attached"):
        raise CliError(
            f"stored, but the workload is {state_of(workload)}", "it is applied once that is put right"
        )
    if not is_applied(workload):
        raise CliError(
            f"stored, but no agent has applied it within {patience_s:g} s",
            "it is applied as soon as its agent runs; see `netpersona status`",
        )
