"""From what interfaces have to what personas want of them: one step an interface. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netpersona.datapath.driver import Change, Target, Wanted
from netpersona.kinds.hardware import (
    LABELS,
    NOTHING_ASKED,
    Capabilities,
    Delta,
    Hardware,
    Settings,
    deltas,
    plan,
)
from netpersona.kinds.kind import Label


@dataclass(frozen=True)
class Failed:
    """A wish that could not be made so and was undone. It is not tried again until there is another."""

    wish: str
    sequence: int
    problem: str


@dataclass(frozen=True)
class Made:
    """What a record on disk says of an interface; see `saved.Record`."""

    saved: Settings
    applied: Settings
    moved: Settings
    wish: str
    sequence: int
    before: Settings | None = None


NO_CAPABILITIES = Capabilities()


@dataclass(frozen=True)
class Found:
    """An interface: what it has (`settings` None: it is gone), what we did to it, and what failed.

    `unread` says why it cannot be asked just now: what is on it stays.
    """

    settings: Settings | None
    capabilities: Capabilities = NO_CAPABILITIES
    made: Made | None = None
    failed: Failed | None = None
    unread: str = ""

    @property
    def drift(self) -> tuple[str, ...]:
        """What others set since we did."""
        if self.made is None or self.settings is None or self.made.before is not None:
            return ()
        applied = self.made.applied
        return tuple(key for key, value in applied.items() if self.settings.get(key) != value)


@dataclass(frozen=True)
class Reconfigure(Change):
    """Make an interface as a persona asks; everything or nothing. `deltas` are what differed when planned."""

    hardware: Hardware
    sequence: int
    deltas: tuple[Delta, ...] = ()


@dataclass(frozen=True)
class Undo(Change):
    """Back to what was there when a change began that was cut short."""


@dataclass(frozen=True)
class Forget(Change):
    """The interface is gone: so is what we know of it."""


@dataclass(frozen=True)
class Refuse(Change):
    """Nothing is touched; applying it says why."""

    reason: str


@dataclass(frozen=True)
class Unread(Change):
    """It cannot be asked just now, so nothing is touched; applying it says why."""

    reason: str


NicChange = Reconfigure | Undo | Forget | Refuse | Unread


def plan_all(current: Mapping[int, Found], wanted: Wanted) -> list[NicChange]:
    changes: list[NicChange] = []
    for ifindex, found in current.items():
        if found.made is not None and not found.unread and wanted.gives_up(ifindex):
            changes += _restored(ifindex, found)
    for target in wanted.targets.values():
        changes += _of_target(current.get(target.ifindex), target)
    return changes


def hardware_of(target: Target) -> Hardware:
    """What is asked now; nothing where no persona is worn."""
    persona = target.assigned.persona if target.assigned else None
    return persona.hardware if persona else NOTHING_ASKED


def wish_of(hardware: Hardware) -> str:
    """Names what is asked, on disk."""
    said = [(ask.key, ask.value) for ask in hardware.asks], [str(one.steer) for one in hardware.steering]
    return hashlib.sha256(repr(said).encode()).hexdigest() if hardware else ""


def began(found: Found) -> Settings:
    """What a change starts from: one that was cut short is undone first."""
    before = found.made.before if found.made else None
    return before or found.settings or {}


def returns(found: Found, hardware: Hardware) -> Settings:
    """What keys go back to that `hardware` does not name.

    What only moved with others goes back with the last of them: until then it may not be able to.
    """
    if found.made is None:
        return {}
    return dict(found.made.saved) if hardware else {**moved(found), **found.made.saved}


def moved(found: Found) -> Settings:
    """What keys were that changed with those we changed, also by a change that is not done."""
    if found.made is None or found.settings is None:
        return {}
    before, now = found.made.before or {}, found.settings
    others = {
        key: value
        for key, value in before.items()
        if now.get(key) != value and key not in found.made.saved and not _is_rule(key)
    }
    return {**others, **found.made.moved}


def back(found: Found, before: Settings) -> list[Delta]:
    """What leads back to a snapshot, of what there still is."""
    now = found.settings or {}
    rules = {key: None for key in (found.made.saved if found.made and before else ()) if _is_rule(key)}
    there = {key: value for key, value in before.items() if key in now or _is_rule(key)}
    return deltas(now, {**rules, **there}, found.capabilities.driver)


def _is_rule(key: str) -> bool:
    return key.startswith("ntuple/")


def _restored(ifindex: int, found: Found) -> Iterator[NicChange]:
    if found.settings is None:
        yield Forget(ifindex, None)
        return
    result = plan(began(found), NOTHING_ASKED, found.capabilities, returns(found, NOTHING_ASKED))
    label = _worse(result.label, _undo_label(found))
    yield Reconfigure(ifindex, None, NOTHING_ASKED, -1, result.deltas, label=label)


def _of_target(found: Found | None, target: Target) -> Iterator[NicChange]:
    hardware = hardware_of(target)
    if found is not None and found.unread:
        if hardware or found.made is not None:
            yield Unread(target.ifindex, target.workload_id, found.unread)
    elif found is None or found.settings is None:
        if found is not None and found.made is not None:
            yield Forget(target.ifindex, target.workload_id)
        if hardware:
            yield Refuse(target.ifindex, target.workload_id, f"interface {target.ifindex} is gone")
    elif target.assigned is None:
        if found.made is not None and found.made.before is not None:
            yield _undo(found, target)
    elif hardware or found.made is not None:
        yield from _of_wish(found, target, hardware)


def _of_wish(found: Found, target: Target, hardware: Hardware) -> Iterator[NicChange]:
    wish, made, failed = wish_of(hardware), found.made, found.failed
    whole = made is None or made.before is None
    if failed is not None and (failed.wish, failed.sequence) == (wish, target.sequence):
        yield from _refusal(found, target, failed.problem)
        return
    is_noted = made is not None and (made.wish, made.sequence) == (wish, target.sequence)
    if is_noted and whole:
        return  # what differs by now somebody else set
    result = plan(began(found), hardware, found.capabilities, returns(found, hardware))
    allowed = target.assigned is not None and (
        target.assigned.allow_disruptive or target.assigned.persona is None
    )
    if result.refusals:
        yield from _refusal(found, target, "; ".join(str(problem) for problem in result.refusals))
    elif result.label == LABELS[-1] and not allowed:
        yield from _refusal(found, target, _disruptive(result.deltas))
    elif result.deltas or result.asked or made is not None:
        label = _worse(result.label, _undo_label(found))
        where = target.ifindex, target.workload_id
        yield Reconfigure(*where, hardware, target.sequence, result.deltas, label=label)


def _refusal(found: Found, target: Target, reason: str) -> Iterator[NicChange]:
    """What an earlier change left undone is not left so."""
    label = _undo_label(found)
    if found.made is not None and found.made.before is not None:
        yield Undo(target.ifindex, target.workload_id, label=label)
    yield Refuse(target.ifindex, target.workload_id, reason, label=label)


def _undo(found: Found, target: Target) -> Undo:
    return Undo(target.ifindex, target.workload_id, label=_undo_label(found))


def _undo_label(found: Found) -> Label:
    """Of taking back what a change that was cut short did."""
    before = found.made.before if found.made else None
    return _worse(*(delta.label for delta in back(found, before or {})))


def _worse(*labels: Label) -> Label:
    return max(labels, key=LABELS.index, default=LABELS[0])


def _disruptive(changes: tuple[Delta, ...]) -> str:
    worst = [delta for delta in changes if delta.label == LABELS[-1]]
    said = ", ".join(str(delta) for delta in worst)
    outage = max(delta.outage_s for delta in worst)
    return f"{said}: takes the link down for about {outage:g} s; assign it with allow_disruptive"
