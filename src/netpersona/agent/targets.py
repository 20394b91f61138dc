"""From workloads and where they are to what is wanted of interfaces. Pure: no kernel, no clock, no disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from netpersona.agent.desired import Assignment
from netpersona.agent.places import Found, Place, Unknown
from netpersona.datapath.driver import NOTHING, Assigned
from netpersona.datapath.types import Endpoint
from netpersona.kinds.persona import CompiledPersona

T = TypeVar("T")


@dataclass(frozen=True)
class Moment:
    """Both clocks, read together. `wall` is aware, UTC."""

    wall: datetime
    monotonic_ns: int


Site = tuple[int, Endpoint | None]
"""An interface by ifindex, and all of it where that was looked up."""


def site(place: Place | None, held: int) -> Site | None:
    """Where something is wanted of a workload; None: nowhere.

    `held` is the interface that it was attached to last (0: none); it counts while there is no looking up.
    """
    if isinstance(place, Found):
        return place.endpoint.ifindex, place.endpoint
    return (held, None) if isinstance(place, Unknown) and held else None


def has_left(place: Place | None, held: int) -> bool:
    """Whether a workload is known to be elsewhere than on the interface that it had."""
    if not held or place is None or isinstance(place, Unknown):
        return False
    return not isinstance(place, Found) or place.endpoint.ifindex != held


def assigned(
    assignment: Assignment | None, personas: Sequence[CompiledPersona], moment: Moment, *, recorded_ns: int
) -> Assigned:
    """What an assignment asks for. `personas`: those it names, compiled, in the order of `references`.

    `recorded_ns` is the expiry that the journal has for this very assignment (0: none): neither a restart nor
    a stepped wall clock moves a lease.
    """
    if assignment is None:
        return NOTHING
    persona, fallback = personas[0], personas[1] if len(personas) > 1 else None
    disruptive = assignment.allow_disruptive
    if assignment.expires_at is None:
        return Assigned(persona, allow_disruptive=disruptive)
    expires_ns = recorded_ns or _monotonic_ns(assignment.expires_at, moment)
    if expires_ns <= moment.monotonic_ns:  # before we got to it: no glimpse of the other
        return Assigned(fallback, allow_disruptive=disruptive and fallback is not None)
    return Assigned(persona, expires_ns, fallback, disruptive)


def _monotonic_ns(instant: datetime, moment: Moment) -> int:
    """Never 0, which means never."""
    return max(1, moment.monotonic_ns + round((instant - moment.wall).total_seconds() * 1e9))


def rivals(places: Mapping[str, Place], holders: Mapping[str, int]) -> dict[str, str]:
    """Workloads that found an interface which another already has: loser → winner.

    `holders` maps workloads to the ifindex they are attached to; a holder wins, then the first name.
    """
    owners = {ifindex: name for name, ifindex in holders.items() if name not in places}
    losers: dict[str, str] = {}
    for name in sorted(places, key=lambda name: (name not in holders, name)):
        place = places[name]
        if isinstance(place, Found):
            owner = owners.setdefault(place.endpoint.ifindex, name)
            if owner != name:
                losers[name] = owner
    return losers


def in_turn(all_: Sequence[T], start: int, count: int) -> Iterable[T]:
    """`count` at most, from `start` on and around."""
    return (all_[at % len(all_)] for at in range(start, start + min(count, len(all_))))
