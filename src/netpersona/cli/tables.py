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
        str(persona.get("revision", "preset")),
        ",".join(persona.get("in_use_by") or ()) or "-",
        _description(persona),
    )


def preset_row(preset: Resource) -> tuple[str, ...]:
    return str(preset["persona_id"]), _description(preset)


def _description(persona: Resource) -> str:
    """On one line."""
    return " ".join(str(persona["spec"].get("description") or "").split())


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
    """The interface, behind what it is found by; whole ids of containers are shortened."""
    named = next((spec[key] for key in ("netns", "container", "domain") if spec.get(key)), None)
    parts = [str(named)[:40] if named else None, spec.get("interface")]
    return "/".join(str(part) for part in parts if part)


def persona_of(assignment: Resource | None) -> str:
    if not assignment:
        return "-"
    revision = assignment["persona_revision"]
    return f"{assignment['persona_id']}@{revision}" if revision else f"{assignment['persona_id']} (preset)"


def expiry_of(assignment: Resource | None, now: datetime | None = None) -> str:
    """What is left of a time to live."""
    if not assignment or not assignment.get("expires_at"):
        return "-"
    left = datetime.fromisoformat(assignment["expires_at"]) - (now or datetime.now(UTC))
    return f"in {span(left.total_seconds())}"


def age_of(moment: str, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 moment was."""
    passed = (now or datetime.now(UTC)) - datetime.fromisoformat(moment)
    return f"{span(passed.total_seconds())} ago"


def span(seconds: float) -> str:
    """A length of time in the largest unit that keeps two digits: 95s, 12min, 30h, 9d."""
    whole = max(0, round(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def moment_of(text: str, now: datetime | None = None) -> str:
    """An RFC 3339 moment for people: to the second, and how long ago."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {age_of(text, now)}"


def phase_of(workload: Resource) -> str:
    """What the agent says, in a word; `pending` while it has not applied the latest assignment."""
    status = workload.get("status")
    if not status:
        return "unseen"
    pending = status["phase"] == "attached" and not is_applied(workload)
    return f"{status['phase']}{' (pending)' if pending else ''}"


def state_of(workload: Resource) -> str:
    """The phase, and why it is not `attached`."""
    message = message_of(workload)
    return f"{phase_of(workload)}: {message}" if message else phase_of(workload)


def message_of(workload: Resource) -> str:
    """Why a workload is not attached; empty when it is, or nobody has looked."""
    status = workload.get("status") or {}
    return "" if status.get("phase") == "attached" else str(status.get("message") or "")


def troubles(workloads: Sequence[Resource]) -> list[str]:
    """One line for each workload that needs a person's attention, and for each warning."""
    lines = [f"{w['workload_id']} is {state_of(w)}" for w in workloads if message_of(w)]
    return lines + [
        f"{w['workload_id']}: {warning}"
        for w in workloads
        for warning in (w.get("status") or {}).get("warnings") or ()
    ]


def is_applied(workload: Resource) -> bool:
    """True when the agent has applied the latest assignment or release."""
    status = workload.get("status") or {}
    return int(status.get("applied_sequence") or 0) >= int(workload["sequence"])


_PERSONA = ("NAME", "REVISION", "IN USE BY", "DESCRIPTION")
_PRESET = ("NAME", "DESCRIPTION")
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
    "presets": (_PRESET, preset_row, "persona_id", "no presets"),
    "hosts": (_HOST, host_row, "host", "no agent has registered; `sudo netpersona up` starts one"),
}
