"""What a person is told of an assignment that goes back by itself unless it is confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from netpersona.cli.errors import CliError, note
from netpersona.cli.force import poll
from netpersona.kinds.moments import left

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.workload import Workload

GRACE_S = 3.0
"""Beyond the deadline, until the manager says that it has passed."""


def require_way_back(api: Client, workload: str, names: Sequence[str]) -> None:
    """Storing a persona that a workload follows switches it at once, with no way back. Raises CliError."""
    from netpersona.kinds.workload import WORKLOAD

    found = api.find(WORKLOAD, workload)
    worn = found.state.assignment if found else None
    for used in (worn, worn.fallback if worn else None):
        if used is not None and used.follows and used.persona_id in names:
            raise CliError(
                f"{workload} follows {used.persona_id}, so storing the file would switch it with no way back",
                "give the persona in the file another name, or pin what is worn first: "
                f"`netpersona assign {workload} {used.persona_id}@{used.persona_revision}`",
            )


def say_deadline(workload: Workload) -> None:
    worn = workload.state.assignment
    if worn is not None and worn.confirm_by is not None:
        after = worn.fallback.label if worn.fallback else "no persona"
        note(
            f"{workload.name} goes back to {after} {left(worn.confirm_by, datetime.now(UTC))};"
            f" `netpersona confirm {workload.name}` keeps {worn.persona_id}"
        )


def await_probe(api: Client, workload: Workload) -> None:
    """Until the probe has confirmed the assignment. Raises CliError where it went back."""
    worn = workload.state.assignment
    if worn is None or worn.confirm_by is None:
        return
    note(f"asking {worn.probe} until it is confirmed; `netpersona confirm {workload.name}` does so now")
    patience_s = (datetime.fromisoformat(worn.confirm_by) - datetime.now(UTC)).total_seconds() + GRACE_S
    after = poll(api, workload, lambda now: not _waits(now), patience_s)
    if after.state.reverted is not None:
        raise CliError(f"{workload.name}: {after.state.reverted.label}", _worn(after))
    if _waits(after):
        raise CliError(
            f"{workload.name}: the manager has not said what came of it", "see `netpersona get workloads`"
        )
    note(f"confirmed: {worn.probe} answered")


def _waits(workload: Workload) -> bool:
    worn = workload.state.assignment
    return worn is not None and worn.confirm_by is not None


def _worn(workload: Workload) -> str:
    worn = workload.state.assignment
    return f"it wears {worn.label} again" if worn else "it wears no persona again"
