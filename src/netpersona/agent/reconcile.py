"""From what is wanted and what is, to what must be done. Pure: no kernel, no clock, no disk.

Two questions are kept apart. Which interfaces carry our programs (`plan_attachments`: netlink,
milliseconds, rarely changes) and which persona each wears (`needs_switch`: one store, changes often).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from netpersona.agent.desired import Assignment
from netpersona.agent.workloads import Found, Place
from netpersona.datapath import Attached, Binding, Endpoint

ADOPT_NS = 1_000_000_000
"""An expiry this close to the one wanted is the one wanted: wall and monotonic clocks drift apart."""


@dataclass(frozen=True)
class Attach:
    """Put the programs on an interface."""

    workload_id: str
    endpoint: Endpoint


@dataclass(frozen=True)
class Detach:
    """Take them off. `workload_id` is None for an attachment that nobody wants any more."""

    attachment: int
    workload_id: str | None


Action = Attach | Detach


def plan_attachments(
    places: Mapping[str, Place], holds: Mapping[str, int], attached: Iterable[Attached], *, orphans: bool
) -> list[Action]:
    """What to attach and detach, detachments first.

    `places`: the workloads in question. `holds`: the attachment that each is known to have.
    `attached`: all attachments but those of other workloads. `orphans`: whether what is left over
    may be detached; say no until the manager has told what is wanted, or a restart would strip
    workloads bare.
    """
    present = {entry.attachment: entry for entry in attached}
    by_ifindex = {entry.ifindex: entry for entry in present.values()}
    plan: list[Action] = []
    claimed: set[int] = set()
    for name, place in places.items():
        entry = present.get(holds.get(name, 0)) or _adoptable(place, by_ifindex)
        if entry is not None:
            claimed.add(entry.attachment)
        if entry is not None and not _in_place(entry, place):
            plan.append(Detach(entry.attachment, name))
            entry = None
        if isinstance(place, Found) and (entry is None or holds.get(name) != entry.attachment):
            plan.append(Attach(name, place.endpoint))
    if orphans:
        plan += [Detach(number, None) for number in present if number not in claimed]
    return sorted(plan, key=lambda action: isinstance(action, Attach))


def _adoptable(place: Place, by_ifindex: Mapping[int, Attached]) -> Attached | None:
    """An attachment on the very interface: of an agent that was killed before it wrote it down."""
    return by_ifindex.get(place.endpoint.ifindex) if isinstance(place, Found) else None


def _in_place(entry: Attached, place: Place) -> bool:
    if not isinstance(place, Found):
        return False
    return entry.ifindex == place.endpoint.ifindex and entry.facing == place.endpoint.facing


@dataclass(frozen=True)
class Wish:
    """What a binding should say. `expires_ns` (CLOCK_MONOTONIC) 0 means never."""

    slot: int
    expires_ns: int = 0
    fallback_slot: int = 0


def needs_switch(binding: Binding, wish: Wish, now_ns: int) -> bool:
    """Whether a store is due. False keeps generation and traffic as they are.

    A binding whose lease ran out into the slot that is wanted is left alone: another generation of
    the same persona could flush the delay line for nothing.
    """
    if wish.expires_ns == 0 and binding.expires_ns and binding.expires_ns <= now_ns:
        return binding.fallback_slot != wish.slot
    if (binding.slot, binding.expires_ns) != (wish.slot, wish.expires_ns):
        return True
    return wish.expires_ns != 0 and binding.fallback_slot != wish.fallback_slot


@dataclass(frozen=True)
class Moment:
    """Both clocks, read together. `wall` is aware, UTC."""

    wall: datetime
    monotonic_ns: int


def expiry_ns(assignment: Assignment, moment: Moment, *, recorded_ns: int, bound_ns: int) -> int:
    """The monotonic expiry of an assignment; 0 for never.

    `recorded_ns` is what the journal has for this very sequence, `bound_ns` what the binding holds
    (0: nothing): either is kept, so that neither a restart nor a stepped wall clock moves a lease.
    """
    if assignment.expires_at is None:
        return 0
    if recorded_ns:
        return recorded_ns
    left_ns = round((assignment.expires_at - moment.wall).total_seconds() * 1e9)
    fresh_ns = max(1, moment.monotonic_ns + left_ns)
    return bound_ns if bound_ns and abs(bound_ns - fresh_ns) <= ADOPT_NS else fresh_ns
