"""Stored assignments as they are shown: to people with their documents, to agents with digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from netpersona.control.clock import parse_rfc3339
from netpersona.control.store.protocol import Record
from netpersona.control.store.stored import Assigned, Assignment, PersonaRef, Reverted
from netpersona.kinds import workload as kinds
from netpersona.kinds.adaptation import AdaptationState

DocumentOf = Callable[[PersonaRef], Mapping[str, Any]]


def workload_state(
    assignment: Assignment,
    document: DocumentOf,
    status: kinds.StatusReport | None,
    adaptation: AdaptationState | None = None,
) -> kinds.WorkloadState:
    """Of an assignment as it is now (``transitions.renewed``)."""
    assigned, previous = assignment.assigned, assignment.previous
    return kinds.WorkloadState(
        sequence=assignment.sequence,
        assignment=_assignment(assigned, assignment.sequence, document) if assigned else None,
        previous=_worn(previous, document) if previous else None,
        reverted=_reverted(assignment.reverted) if assignment.reverted else None,
        status=status,
        adaptation=adaptation,
    )


def _assignment(assigned: Assigned, sequence: int, document: DocumentOf) -> kinds.Assignment:
    return kinds.Assignment(
        **_keys(assigned.persona, document),
        assigned_at=assigned.assigned_at,
        expires_at=assigned.expires_at,
        fallback=_worn(assigned.fallback, document) if assigned.fallback else None,
        sequence=sequence,
        anew=assigned.anew,
        confirm_by=assigned.confirm_by,
        probe=assigned.probe,
    )


def _reverted(reverted: Reverted) -> kinds.Reverted:
    return kinds.Reverted(
        persona_id=reverted.persona_id,
        persona_revision=reverted.revision,
        at=reverted.at,
        reason=reverted.reason,
    )


def _worn(persona: PersonaRef, document: DocumentOf) -> kinds.Worn:
    return kinds.Worn(**_keys(persona, document))


def _keys(persona: PersonaRef, document: DocumentOf) -> dict[str, Any]:
    return {
        "persona_id": persona.persona_id,
        "persona_revision": persona.revision,
        "persona": document(persona),
        "follows": persona.follows,
    }


def wanted(record: Record, assignment: Assignment, now: datetime) -> dict[str, Any]:
    """The JSON of a ``WantedWorkload``, whose model takes longer than all else of a line; as it is now."""
    assigned = assignment.assigned
    return {
        "workload_id": record.key,
        "revision": record.revision,
        "spec": record.value["spec"],
        "sequence": assignment.sequence,
        "assignment": _wanted(assigned, now) if assigned else None,
    }


def _wanted(assigned: Assigned, now: datetime) -> dict[str, Any]:
    fallback = assigned.fallback
    return {
        **_reference(assigned.persona),
        "remaining_ms": _left_ms(assigned.expires_at, now),
        "fallback": _reference(fallback) if fallback else None,
        "allow_disruptive": assigned.disruptive,
        "probe": assigned.probe,
    }


def _reference(persona: PersonaRef) -> dict[str, Any]:
    return {
        "persona_id": persona.persona_id,
        "persona_revision": persona.revision,
        "digest": persona.digest,
    }


def _left_ms(expires_at: str | None, now: datetime) -> float | None:
    if expires_at is None:
        return None
    return round((parse_rfc3339(expires_at) - now).total_seconds() * 1000, 3)
