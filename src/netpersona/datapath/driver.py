"""What every driver of the data path can do, and the values that it is asked with.

A driver changes one sort of thing on the interfaces of this host. `observe` reads from the kernel what is,
`plan` compares it with what is wanted, `apply` makes one step. Nobody remembers in between: after a failure,
or a kill, the next plan starts from what the kernel says then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from netpersona.datapath.types import Endpoint
from netpersona.kinds.kind import Label
from netpersona.kinds.persona import CompiledPersona

LABELS: tuple[Label, ...] = ("live", "reinit", "flap")
"""What a change does to the traffic of its interface, in the order in which changes are applied."""


@dataclass(frozen=True)
class Assigned:
    """What is to be in force on an interface. `None` as a persona is the null persona: everything passes.

    `expires_ns` (CLOCK_MONOTONIC, 0: never) is when `fallback` follows by itself.
    `allow_disruptive`: the link may go down for settings of the interface.
    """

    persona: CompiledPersona | None
    expires_ns: int = 0
    fallback: CompiledPersona | None = None
    allow_disruptive: bool = False


NOTHING = Assigned(None)


@dataclass(frozen=True)
class Target:
    """An interface that a workload meets the host by, and what is wanted of it.

    `endpoint` is None where the workload could not be looked up just now: what is on the interface stays,
    and can be given another persona. `assigned` is None while it is not known: what is in force stays.
    `sequence` rises with every assignment.
    """

    workload_id: str
    ifindex: int
    endpoint: Endpoint | None
    assigned: Assigned | None
    sequence: int = 0


@dataclass(frozen=True)
class Wanted:
    """Everything that is wanted of the interfaces of this host, by ifindex.

    Of interfaces without a target, those `released` are to be as they were before us; all others too if
    this is `complete`. Until the manager has spoken it is not, or a restart would strip workloads bare.
    """

    targets: Mapping[int, Target]
    released: Set[int] = frozenset()
    complete: bool = False

    def gives_up(self, ifindex: int) -> bool:
        """Whether what is on an interface is to be taken off."""
        return ifindex not in self.targets and (self.complete or ifindex in self.released)


@dataclass(frozen=True)
class Change:
    """One step of a plan; a driver's steps derive from this and say the rest.

    `workload_id` is None where nobody wants the interface any more. `instant`: applying it writes memory and
    waits for nothing, so it may be done on an event loop.
    """

    ifindex: int
    workload_id: str | None
    label: Label = field(default="live", kw_only=True)
    instant: bool = field(default=False, kw_only=True)


State = TypeVar("State")
Step = TypeVar("Step", bound=Change)


class Driver(Protocol[State, Step]):
    """Four verbs, and two questions of what they are needed for, answered from memory.

    The verbs but `plan` may raise DatapathError, and block unless said otherwise.

    The steps of one workload are in the order in which they are to be made; those of different workloads do
    not depend on each other, except that what is given up comes first.
    """

    @property
    def name(self) -> str:
        """Short, as errors show it."""

    @property
    def instant(self) -> bool:
        """Whether it has instant changes. Then `observe` of named interfaces does not block either."""

    def probe(self) -> object:
        """What this host can do, what was chosen, and why: a dataclass."""

    def scope(self, wanted: Wanted) -> Collection[int] | None:
        """What to observe before a plan; None: everything."""

    def concerns(self, target: Target) -> bool:
        """Whether a pass may find something to do for a target; asked where nothing is instant."""

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, State]:
        """What there is, by ifindex; with `only`, on these interfaces alone."""

    def plan(self, current: Mapping[int, State], wanted: Wanted) -> Sequence[Step]:
        """What makes `current` as `wanted`. Pure; empty where nothing differs."""

    def apply(self, change: Step) -> None:
        """Make one step. Idempotent: also behind one that failed or was killed in its middle."""
