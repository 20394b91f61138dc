"""What assigning a persona to a workload would change, and what that does to traffic. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from netpersona.kinds.base import Told
from netpersona.kinds.errors import Problem
from netpersona.kinds.hardware import LABELS, HardwareReport, plan
from netpersona.kinds.kind import Change, Label
from netpersona.kinds.persona import Persona, diff
from netpersona.kinds.persona.asks import asks_of

CELL = 60
"""Characters of a value that a table shows."""
HARDWARE_KEYS = frozenset({"channels", "rings", "rss", "offloads", "txqueuelen", "interrupt_coalescing"})
"""Keys of a persona that are settings of the interface."""


class PlannedChange(Told):
    """One thing that changes. `key` is a pointer into the persona, or a setting as `rings/rx`."""

    part: Literal["persona", "hardware"]
    key: str
    before: Any = None
    after: Any = None
    label: Label | None = Field(
        None,
        description="live: no effect on traffic; reinit: queues are set up anew; flap: the link goes down;"
        " null: not known",
    )
    outage_s: float | None = Field(None, description="How long no packet passes, at most; null: not known")
    assumed: bool = Field(False, description="By a rule of thumb: nobody has looked it up for this driver")
    may_flap: bool = Field(False, description="It is not known, and takes the link down with many drivers")


class PlannedRefusal(Told):
    """Why it cannot be assigned to this workload."""

    pointer: str = Field(description="Into the persona")
    detail: str
    remedy: str


class HardwareSeen(Told):
    """Which report of the agent the plan goes by."""

    known: bool = Field(description="false: no agent has told what the interface has")
    driver: str = ""
    observed_at: str | None = None


class WorkloadPlan(Told):
    """Every change, the worst label among them, and the whole outage to be expected."""

    workload_id: str = ""
    persona_id: str = ""
    persona_revision: int = 0
    changes: tuple[PlannedChange, ...] = ()
    refusals: tuple[PlannedRefusal, ...] = ()
    label: Label | None = Field("live", description="null: not known, because that of a change is not")
    outage_s: float | None = 0.0
    notes: tuple[str, ...] = Field((), description="Parts that act elsewhere than written, or nowhere")
    hardware: HardwareSeen = HardwareSeen(known=False)

    @property
    def disruptive(self) -> list[PlannedChange]:
        """What takes the link down, or may."""
        return [change for change in self.changes if change.label == "flap" or change.may_flap]


def plan_of(
    before: Persona | None,
    after: Persona | None,
    report: HardwareReport | None,
    observed_at: str | None = None,
) -> WorkloadPlan:
    """From what is worn to what is to be; `report` is what the agent said of the interface last."""
    keys = [change for change in diff(before, after) if change.pointer != "/persona_id"]
    if report is None:
        changes = [_guessed(change) for change in keys]
        return _whole(changes, HardwareSeen(known=False))
    found = plan(report.all_settings, asks_of(after or _NOTHING), report.capabilities, report.saved)
    changes = [_of_persona(change) for change in keys if not _is_hardware(change)]
    changes += [
        PlannedChange(
            part="hardware",
            key=delta.key,
            before=delta.before,
            after=delta.after,
            label=delta.label,
            outage_s=delta.outage_s,
            assumed=delta.assumed,
        )
        for delta in found.deltas
    ]
    seen = HardwareSeen(known=True, driver=report.capabilities.driver, observed_at=observed_at)
    notes = [f"{one.pointer}: {one.text}" for one in found.places if one.where != "hardware" and one.pointer]
    return _whole(changes, seen, found.refusals, found.outage_s, notes)


_NOTHING = Persona(persona_id="nothing")


def _whole(
    changes: Sequence[PlannedChange],
    seen: HardwareSeen,
    refusals: Sequence[Problem] = (),
    outage_s: float = 0.0,
    notes: Sequence[str] = (),
) -> WorkloadPlan:
    labels = [change.label for change in changes]
    known = [label for label in labels if label is not None]
    return WorkloadPlan(
        changes=tuple(changes),
        refusals=tuple(
            PlannedRefusal(pointer=one.pointer, detail=one.message, remedy=one.remedy) for one in refusals
        ),
        label=None if None in labels else max(known, key=LABELS.index, default="live"),
        outage_s=None if None in labels else outage_s,
        notes=tuple(notes),
        hardware=seen,
    )


def _of_persona(change: Change) -> PlannedChange:
    return PlannedChange(
        part="persona",
        key=change.pointer,
        before=change.before,
        after=change.after,
        label="live",
        outage_s=0.0,
    )


def _guessed(change: Change) -> PlannedChange:
    """Where nobody has said what the interface has, nothing is said of what the change does to it."""
    if not _is_hardware(change):
        return _of_persona(change)
    return PlannedChange(
        part="hardware",
        key=change.pointer,
        before=change.before,
        after=change.after,
        may_flap=change.label == "flap",
    )


def _is_hardware(change: Change) -> bool:
    steps = set(change.pointer.split("/"))
    entries = [entry for entry in (change.before, change.after) if isinstance(entry, dict)]
    return bool(steps & HARDWARE_KEYS) or any(entry.get("interrupt_coalescing") for entry in entries)


def shown(value: object) -> str:
    """A value as a table has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = "-" if value is None else str(value)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def rows(found: WorkloadPlan) -> Iterator[tuple[str, ...]]:
    """Key, before, after, label and outage of each change, for people."""
    for change in found.changes:
        label = (change.label or "not known") + (" (assumed)" if change.assumed else "")
        yield (
            change.key,
            shown(change.before),
            shown(change.after),
            label,
            outage(change.outage_s, change.label),
        )


def outage(seconds: float | None, label: Label | None) -> str:
    if seconds is None:
        return "not known"
    if seconds == 0:
        return "none" if label == "live" else "-"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
