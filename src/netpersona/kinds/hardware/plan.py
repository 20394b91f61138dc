"""From what an interface has to what a persona wants of it. Pure: manager, agent and terminal do the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netpersona.kinds.errors import Problem
from netpersona.kinds.hardware.asked import Hardware, Value
from netpersona.kinds.hardware.effects import Effect, effect
from netpersona.kinds.hardware.interface import Capabilities, Settings
from netpersona.kinds.hardware.resolve import Placement, resolve
from netpersona.kinds.kind import Label

LABELS: tuple[Label, ...] = ("live", "reinit", "flap")
"""What a change does to traffic, from nothing to most."""
_GROUPS = ("features", "channels", "rings", "coalesce", "queue", "rss", "ntuple", "txqueuelen")
"""In the order in which they are set: what others need comes first."""


@dataclass(frozen=True, slots=True)
class Delta:
    """One setting that changes. `outage_s`: how long no packet passes; `assumed`: by a rule of thumb."""

    key: str
    before: Value
    after: Value
    label: Label
    outage_s: float = 0.0
    assumed: bool = False
    pointer: str = ""
    """Where the persona asks for it; "" where the setting goes back to what it was."""

    @property
    def step(self) -> str:
        """Deltas of the same step are one call."""
        return step_of(self.key)

    def __str__(self) -> str:
        return f"{self.key} {_shown(self.before)} to {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`refusals` forbid all of it. `places` say of each part of a persona where it acts."""

    deltas: tuple[Delta, ...] = ()
    asked: frozenset[str] = frozenset()
    """Keys that the persona names, of those that the interface has."""
    refusals: tuple[Problem, ...] = ()
    places: tuple[Placement, ...] = ()

    @property
    def label(self) -> Label:
        """The worst of its deltas."""
        return max((delta.label for delta in self.deltas), key=LABELS.index, default="live")

    @property
    def outage_s(self) -> float:
        """All steps together."""
        longest: dict[str, float] = {}
        for delta in self.deltas:
            longest[delta.step] = max(longest.get(delta.step, 0.0), delta.outage_s)
        return sum(longest.values())

    @property
    def goal(self) -> dict[str, Value]:
        return {delta.key: delta.after for delta in self.deltas}


def plan(
    current: Settings, wanted: Hardware, capabilities: Capabilities, saved: Settings | None = None
) -> Plan:
    """What makes an interface as a persona wants it.

    `saved` has the values from before the first persona, of the keys that personas changed: those that
    `wanted` does not name go back to them.
    """
    before = saved or {}
    goal, places, refusals = resolve(wanted, current, capabilities, frozenset(before))
    pointers = {key: pointer for key, (_, pointer) in goal.items()}
    values = {**returning(current, before), **{key: value for key, (value, _) in goal.items()}}
    changes = deltas(current, values, capabilities.driver, pointers)
    return Plan(tuple(changes), frozenset(goal), tuple(refusals), tuple(places))


def deltas(
    current: Settings, values: Settings, driver: str, pointers: Mapping[str, str] | None = None
) -> list[Delta]:
    """What differs, in the order in which it is to be set."""
    changed = [key for key, value in values.items() if current.get(key) != value]
    shrinks = any(_is_less(current.get(key), values[key]) for key in changed if step_of(key) == "channels")
    found = []
    for key in sorted(changed, key=lambda key: _order(key, values[key], shrinks)):
        what: Effect = effect(driver, key)
        pointer = (pointers or {}).get(key, "")
        found.append(
            Delta(key, current.get(key), values[key], what.label, what.outage_s, what.assumed, pointer)
        )
    return found


def returning(current: Settings, saved: Settings) -> dict[str, Value]:
    """What goes back, of what there still is: queues may be gone with the channels."""
    return {key: value for key, value in saved.items() if key in current or key.startswith("ntuple/")}


def step_of(key: str) -> str:
    return key if key.startswith("ntuple/") else key.rpartition("/")[0] or key


def _order(key: str, value: Value, shrinks: bool) -> tuple[int, int, str, str]:
    """n-tuple rules leave first; where channels go, the table stops naming them before."""
    leaves = key.startswith("ntuple/") and value is None
    first = leaves or (shrinks and key.startswith("rss/"))
    return (0 if first else 1, _GROUPS.index(key.partition("/")[0]), step_of(key), key)


def _is_less(before: Value, after: Value) -> bool:
    return isinstance(before, int) and isinstance(after, int) and after < before


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "nothing" if value is None else str(value)
