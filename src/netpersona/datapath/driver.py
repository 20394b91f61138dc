"""What every driver of the data path can do, and the values that it is asked with.

A driver changes one sort of thing on the interfaces of this host. `observe` reads from the kernel what is,
`plan` compares it with what is wanted, `apply` makes one step. Nobody remembers in between: after a failure,
or a kill, the next plan starts from what the kernel says then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeVar

from netpersona.datapath.types import (
    Attached,
    Binding,
    Capabilities,
    Endpoint,
    EngineStats,
    Facing,
    Observation,
)
from netpersona.kinds.persona import CompiledPersona


class Effect(IntEnum):
    """What a change does to the traffic of its interface. Changes are applied in this order."""

    LIVE = 0
    """Nothing."""
    REINIT = 1
    """Queues are set up anew: what is in them may be lost."""
    FLAP = 2
    """The link goes down and comes back."""

    @property
    def label(self) -> str:
        """As plans are shown: `live`, `reinit`, `flap`."""
        return self.name.lower()


@dataclass(frozen=True)
class Assigned:
    """What is to be in force on an interface. `None` as a persona is the null persona: everything passes.

    `expires_ns` (CLOCK_MONOTONIC, 0: never) is when `fallback` follows by itself.
    """

    persona: CompiledPersona | None
    expires_ns: int = 0
    fallback: CompiledPersona | None = None


NOTHING = Assigned(None)


@dataclass(frozen=True)
class Target:
    """An interface that a workload meets the host by, and what is wanted of it.

    `endpoint` is None where the workload could not be looked up just now: what is on the interface stays,
    and can be given another persona. `assigned` is None while it is not known: what is in force stays.
    """

    workload_id: str
    ifindex: int
    endpoint: Endpoint | None
    assigned: Assigned | None


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
    effect: Effect = field(default=Effect.LIVE, kw_only=True)
    instant: bool = field(default=False, kw_only=True)


State = TypeVar("State")
Step = TypeVar("Step", bound=Change)


class Driver(Protocol[State, Step]):
    """Four verbs; all but `plan` may raise DatapathError, and block unless said otherwise.

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

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, State]:
        """What there is, by ifindex; with `only`, on these interfaces alone."""

    def plan(self, current: Mapping[int, State], wanted: Wanted) -> Sequence[Step]:
        """What makes `current` as `wanted`. Pure; empty where nothing differs."""

    def apply(self, change: Step) -> None:
        """Make one step. Idempotent: also behind one that failed or was killed in its middle."""


class Datapath(Protocol):
    """All may raise DatapathError. Slot 0 is the null persona: everything passes."""

    def probe(self) -> Capabilities: ...

    def attach(self, interface: str, facing: Facing, *, ifindex: int = 0) -> int:
        """Put the programs on an interface; idempotent. Raises EndpointMissing, AttachmentsFull.

        With `ifindex`, only if the name still means that interface: a VM's TAP may be another's by now.
        """

    def detach(self, attachment: int) -> None:
        """Take them off; idempotent, fine if the interface is gone."""

    def attached(self) -> list[Attached]: ...

    def install(self, compiled: CompiledPersona) -> int:
        """The slot that holds a compiled persona; equal digests share one. Raises SlotsFull."""

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        """One 64-bit store, in force from the next packet on; answers the generation.

        `expires_ns` (CLOCK_MONOTONIC, 0: never) is when kernel and engine turn to `fallback_slot`
        by themselves.
        """

    def binding(self, attachment: int) -> Binding: ...

    def generations(self) -> Sequence[int]:
        """Of all bindings, by attachment: where one is what it was, so is the binding."""

    def observe(self, attachment: int) -> Observation: ...

    def engine(self) -> EngineStats: ...

    def close(self) -> None:
        """Let go; what is pinned stays in force. Idempotent."""

    def destroy(self) -> None:
        """Remove everything from the kernel. Idempotent."""
