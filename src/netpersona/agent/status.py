"""The status document of a workload, as the manager stores it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from netpersona.agent.desired import Assignment, Workload
from netpersona.agent.dresser import Hold
from netpersona.datapath import Binding, Counters, EngineStats, Observation, Tally

Phase = Literal["attached", "missing", "refused", "error"]


@dataclass
class Charge:
    """What this agent knows of one workload.

    `located`: `hold` is where the workload is, as far as the last pass could see. `vanished`: there is
    no hold, or its interface is gone.
    `applied_sequence` is -1 until something was applied. `dressed` is what was put on last, and what the
    binding said then: as long as both stand, there is nothing to do. `wanted_ns` and `applied_ns`
    (CLOCK_MONOTONIC) are when the newest wish came and when it was put on, `applied_at` is the latter in UTC.
    `known`: `phase` was found out by this agent, and is not what every charge begins with.
    """

    workload: Workload
    phase: Phase = "missing"
    message: str = "not looked for yet"
    hold: Hold | None = None
    located: bool = False
    vanished: bool = True
    applied_sequence: int = -1
    warnings: tuple[str, ...] = field(default=())
    dressed: tuple[Workload, Binding] | None = None
    wanted_ns: int = 0
    applied_ns: int = 0
    applied_at: datetime | None = None
    known: bool = False


@dataclass(frozen=True)
class Seen:
    """What the data path says about an attachment, read together."""

    binding: Binding
    observation: Observation
    engine: EngineStats


def status_document(charge: Charge, seen: Seen | None, *, monotonic_ns: int, now: datetime) -> dict[str, Any]:
    """The document of `PUT /v1/workloads/{id}/status`."""
    document: dict[str, Any] = {
        "phase": charge.phase,
        "message": charge.message,
        "attachment": charge.hold.attachment if charge.hold else None,
        "interface": None,
        "applied_sequence": max(0, charge.applied_sequence),
        "applied_at": charge.applied_at.isoformat() if charge.applied_at else None,
        "applied_us": (charge.applied_ns - charge.wanted_ns) / 1000 if charge.applied_at else None,
        "generation": 0,
        "persona_id": None,
        "expired": False,
        "proof": "idle",
        "warnings": list(charge.warnings),
        "observed_at": now.isoformat(),
    }
    return document | (_applied(charge, seen, monotonic_ns) if seen else {})


def _applied(charge: Charge, seen: Seen, monotonic_ns: int) -> dict[str, Any]:
    binding, observation = seen.binding, seen.observation
    lapsed = bool(binding.expires_ns and binding.expires_ns <= monotonic_ns)
    # A lease's fallback has the generation after it (ARCHITECTURE.md, "Memory that is shared").
    generation = binding.generation + lapsed
    expired = _expired(charge, lapsed or not binding.expires_ns)
    return {
        "interface": observation.interface,
        "generation": generation,
        "persona_id": _persona_id(charge.workload.assignment, expired),
        "expired": expired,
        "proof": "seen" if generation in _generations(observation) else "idle",
        "counters": {"egress": _counters(observation.egress), "ingress": _counters(observation.ingress)},
        "lanes": {"egress": vars(observation.egress_lane), "ingress": vars(observation.ingress_lane)},
        "engine": vars(seen.engine),
    }


def _counters(counters: Counters) -> dict[str, Any]:
    """As `asdict`, which takes a millisecond a document, has it."""
    return {key: vars(value) if isinstance(value, Tally) else value for key, value in vars(counters).items()}


def _expired(charge: Charge, no_lease: bool) -> bool:
    """Whether an assignment with an end is past it: such a one without a live lease is."""
    assignment = charge.workload.assignment
    if assignment is None or assignment.expires_at is None:
        return False
    return no_lease and charge.applied_sequence == charge.workload.sequence


def _generations(observation: Observation) -> set[int]:
    """Generations under which the data path decided its latest packets, by direction."""
    return {observation.egress.generation, observation.ingress.generation}


def _persona_id(assignment: Assignment | None, expired: bool) -> str | None:
    """Of what is in force: the manager may not have rewritten an expired assignment yet."""
    if assignment is None:
        return None
    if expired:
        return assignment.fallback.persona_id if assignment.fallback else None
    return assignment.worn.persona_id
