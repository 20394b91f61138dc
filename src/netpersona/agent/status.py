"""What is known of a workload, and the status document that the manager stores of it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from netpersona.agent.desired import Assignment, Workload
from netpersona.agent.places import Found, Place
from netpersona.agent.targets import Site
from netpersona.datapath import Binding, Counters, EngineStats, Observation, Tally, Target

Phase = Literal["attached", "missing", "refused", "error"]


class Readings(Protocol):
    """What kernel programs and engine say of an attachment: `KernelDatapath`, or a test's."""

    def find(self, ifindex: int) -> tuple[int, object] | None:
        """The attachment of an interface, first."""

    def vanished(self) -> Set[int]:
        """Interfaces of attachments that are gone."""

    def binding(self, attachment: int) -> Binding: ...

    def observe(self, attachment: int) -> Observation: ...

    def engine(self) -> EngineStats: ...


@dataclass
class WorkloadState:
    """What this agent knows of one workload.

    `place` is where it was found last; None: it must be looked for. `held` is the interface (ifindex) that it
    was attached to last, 0: none. `target` is what is wanted of its interface, worked out from `aimed`.
    `applied_sequence` is -1 until something was applied. `wanted_ns` and `applied_ns` (CLOCK_MONOTONIC) are
    when the newest wish came and when it was in force, `applied_at` is the latter in UTC. `unreadable` is a
    wish with a persona that cannot be compiled. `ended` is the sequence of an assignment that was given up
    before its end. `known`: `phase` was found out by this agent.
    """

    workload: Workload
    phase: Phase = "missing"
    message: str = "not looked for yet"
    place: Place | None = None
    held: int = 0
    target: Target | None = None
    aimed: tuple[Workload, Site] | None = None
    applied_sequence: int = -1
    warnings: tuple[str, ...] = ()
    wanted_ns: int = 0
    applied_ns: int = 0
    applied_at: datetime | None = None
    unreadable: Workload | None = None
    ended: int = -1
    known: bool = False

    @property
    def in_place(self) -> bool:
        """Whether it need not be looked up in the next pass."""
        return isinstance(self.place, Found) and self.phase != "error"

    def is_aimed(self, at: Site) -> bool:
        """Whether `target` is still what it would be; one with an end is worked out anew each time."""
        if self.target is None or self.target.assigned is None or self.target.assigned.expires_ns:
            return False
        return self.aimed is not None and self.aimed[0] is self.workload and self.aimed[1] == at


@dataclass(frozen=True)
class Seen:
    """What the data path says about an attachment, read together."""

    binding: Binding
    observation: Observation
    engine: EngineStats


def seen(readings: Readings, target: Target | None) -> Seen | None:
    """None where nothing is attached. Raises DatapathError."""
    found = readings.find(target.ifindex) if target else None
    if found is None:
        return None
    attachment = found[0]
    return Seen(readings.binding(attachment), readings.observe(attachment), readings.engine())


def status_document(
    state: WorkloadState,
    seen: Seen | None,
    *,
    monotonic_ns: int,
    now: datetime,
    hardware: Mapping[str, Any] | None = None,
    probe: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document of `PUT /v1/workloads/{id}/status`. `hardware` is what `HardwareReport` reads."""
    document: dict[str, Any] = {
        "phase": state.phase,
        "message": state.message,
        "attachment": seen.observation.attachment if seen else None,
        "interface": None,
        "applied_sequence": max(0, state.applied_sequence),
        "applied_at": state.applied_at.isoformat() if state.applied_at else None,
        "applied_us": (state.applied_ns - state.wanted_ns) / 1000 if state.applied_at else None,
        "generation": 0,
        "persona_id": None,
        "expired": False,
        "proof": "idle",
        "probe": probe,
        "warnings": list(state.warnings),
        "hardware": hardware,
        "observed_at": now.isoformat(),
    }
    return document | (_applied(state, seen, monotonic_ns) if seen else {})


def _applied(state: WorkloadState, seen: Seen, monotonic_ns: int) -> dict[str, Any]:
    binding, observation = seen.binding, seen.observation
    lapsed = bool(binding.expires_ns and binding.expires_ns <= monotonic_ns)
    # A lease's fallback has the generation after it (ARCHITECTURE.md, "Memory that is shared").
    generation = binding.generation + lapsed
    expired = _expired(state, lapsed or not binding.expires_ns)
    return {
        "interface": observation.interface,
        "generation": generation,
        "persona_id": _persona_id(state.workload.assignment, expired),
        "expired": expired,
        "proof": "seen" if generation in _generations(observation) else "idle",
        "counters": {"egress": _counters(observation.egress), "ingress": _counters(observation.ingress)},
        "lanes": {"egress": vars(observation.egress_lane), "ingress": vars(observation.ingress_lane)},
        "engine": vars(seen.engine),
    }


def _counters(counters: Counters) -> dict[str, Any]:
    """As `asdict`, which takes a millisecond a document, has it."""
    return {key: vars(value) if isinstance(value, Tally) else value for key, value in vars(counters).items()}


def _expired(state: WorkloadState, no_lease: bool) -> bool:
    """Whether an assignment with an end is past it: such a one without a live lease is."""
    assignment = state.workload.assignment
    if assignment is None or assignment.expires_at is None:
        return False
    return no_lease and state.applied_sequence == state.workload.sequence


def _generations(observation: Observation) -> set[int]:
    """Generations under which the data path decided its latest packets, by direction."""
    return {observation.egress.generation, observation.ingress.generation}


def _persona_id(assignment: Assignment | None, expired: bool) -> str | None:
    """Of what is in force: the manager may not have rewritten an expired assignment yet."""
    if assignment is None:
        return None
    if expired:
        return assignment.fallback.persona_id if assignment.fallback else None
    return assignment.persona.persona_id
