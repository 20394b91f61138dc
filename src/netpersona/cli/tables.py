"""Resources as tables: which of their values a person wants to see in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from netpersona.cli.output import View

Resource = Mapping[str, Any]


def view_of(collection: str, resources: Sequence[Resource], *, single: bool = False) -> View:
    """`single` prints the resource itself instead of a list of one."""
    columns, row, key, empty = _TABLES[collection]
    return View(
        columns=columns,
        rows=[row(resource) for resource in resources],
        data=resources[0] if single else list(resources),
        names=[str(resource[key]) for resource in resources],
        empty=empty,
    )


def persona_row(persona: Resource) -> tuple[str, ...]:
    return (
        str(persona["persona_id"]),
        str(persona["revision"]),
        ",".join(persona.get("in_use_by") or ()) or "-",
        str(persona["spec"].get("description") or ""),
    )


def workload_row(workload: Resource) -> tuple[str, ...]:
    spec, assignment = workload["spec"], workload.get("assignment")
    return (
        str(workload["workload_id"]),
        str(spec["kind"]),
        place_of(spec),
        persona_of(assignment),
        expiry_of(assignment),
        phase_of(workload),
    )


def host_row(host: Resource) -> tuple[str, ...]:
    engine = host.get("engine") or {}
    return (
        str(host["host"]),
        str(host.get("version") or "-"),
        "alive" if engine.get("alive") else "stopped",
        ",".join(host.get("workloads") or ()) or "-",
        age_of(host["seen_at"]),
    )


def place_of(spec: Resource) -> str:
    return f"{spec['netns']}/{spec['interface']}" if spec.get("netns") else str(spec["interface"])


def persona_of(assignment: Resource | None) -> str:
    if not assignment:
        return "-"
    revision = assignment["persona_revision"]
    return f"{assignment['persona_id']}@{revision}" if revision else f"{assignment['persona_id']} (preset)"


def expiry_of(assignment: Resource | None, now: datetime | None = None) -> str:
    """Whole seconds left of a time to live."""
    if not assignment or not assignment.get("expires_at"):
        return "-"
    left = datetime.fromisoformat(assignment["expires_at"]) - (now or datetime.now(UTC))
    return f"in {max(0, round(left.total_seconds()))}s"


def age_of(moment: str, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 moment was, in whole seconds."""
    passed = (now or datetime.now(UTC)) - datetime.fromisoformat(moment)
    return f"{max(0, round(passed.total_seconds()))}s ago"


def phase_of(workload: Resource) -> str:
    """What the agent says; `pending` while it has not yet applied the latest assignment."""
    status = workload.get("status")
    if not status:
        return "unseen"
    message = f": {status['message']}" if status.get("message") and status["phase"] != "attached" else ""
    pending = "" if is_applied(workload) else " (pending)"
    return f"{status['phase']}{message}{pending}"


def is_applied(workload: Resource) -> bool:
    """True when the agent has applied the latest assignment or release."""
    status = workload.get("status") or {}
    return int(status.get("applied_sequence") or 0) >= int(workload["sequence"])


_PERSONA = ("NAME", "REVISION", "IN USE BY", "DESCRIPTION")
_WORKLOAD = ("NAME", "KIND", "ATTACHMENT", "PERSONA", "EXPIRES", "PHASE")
_HOST = ("NAME", "VERSION", "ENGINE", "WORKLOADS", "SEEN")

_Row = Callable[[Resource], tuple[str, ...]]
_TABLES: dict[str, tuple[tuple[str, ...], _Row, str, str]] = {
    "personas": (_PERSONA, persona_row, "persona_id", "no personas; `netpersona apply -f FILE` stores some"),
    "workloads": (
        _WORKLOAD,
        workload_row,
        "workload_id",
        "no workloads; `netpersona workload add` names one",
    ),
    "hosts": (_HOST, host_row, "host", "no agent has registered; `sudo netpersona up` starts one"),
}
