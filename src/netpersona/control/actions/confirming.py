"""Assignments that go back by themselves unless somebody confirms them. The clock is passed in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from netpersona.control.actions.durations import lifetime
from netpersona.control.clock import parse_rfc3339, rfc3339
from netpersona.control.problems import Conflict, Unprocessable
from netpersona.control.resources import transitions
from netpersona.control.store.stored import Assignment, PersonaRef
from netpersona.kinds.workload import AssignmentRequest, ProbeReport

_PROBED: Final = timedelta(seconds=5)
"""What three answers take, with room for the way to the agent and back."""
_AGAIN: Final = "assign it again"


def within_of(wanted: AssignmentRequest, at: str) -> timedelta | None:
    """``at`` is where the request has the assignment. Raises Unprocessable."""
    if wanted.confirm_within is None:
        if wanted.probe is not None:
            raise Unprocessable(
                "a probe without confirm_within has nothing to confirm",
                remedy="add confirm_within, or remove probe",
                pointer=f"{at}/probe",
            )
        return None
    for key in ("ttl", "fallback"):
        if getattr(wanted, key) is not None:
            raise Unprocessable(
                f"{key} and confirm_within exclude each other: what is worn now is the way back",
                remedy="keep one of them",
                pointer=f"{at}/{key}",
            )
    within = lifetime(wanted.confirm_within, f"{at}/confirm_within")
    if wanted.probe is not None and within < _PROBED:
        raise Unprocessable(
            "three answers to a probe take three seconds",
            remedy=f"write {_PROBED.seconds}s or more",
            pointer=f"{at}/confirm_within",
        )
    return within


def unconfirmed(
    was: Assignment, persona: PersonaRef, now: datetime, within: timedelta, wanted: AssignmentRequest
) -> Assignment:
    """The persona put on, with what was confirmed last as its fallback. Raises Conflict: a trial is worn."""
    return transitions.assigned(
        was,
        persona,
        assigned_at=rfc3339(now),
        expires_at=rfc3339(now + within),
        fallback=_way_back(was),
        confirm=True,
        probe=wanted.probe,
        disruptive=wanted.allow_disruptive,
    )


def require_unconfirmed(name: str, was: Assignment, now: datetime) -> None:
    """Raises Conflict: nothing waits to be confirmed, or no longer."""
    waits, reverted = was.assigned, was.reverted
    if waits is not None and waits.confirm_by is not None:
        if now < parse_rfc3339(waits.confirm_by):
            return
        raise Conflict(f"too late: {waits.persona.persona_id} was not confirmed in time", remedy=_AGAIN)
    if reverted is not None:
        raise Conflict(
            f"too late: {reverted.persona_id} went back by itself: {reverted.reason}", remedy=_AGAIN
        )
    raise Conflict(f"nothing of workload {name} waits to be confirmed", remedy="nothing is to be done")


def judged(was: Assignment, report: ProbeReport, now: datetime) -> Assignment | None:
    """What an agent's verdict makes of it; None where it is about another assignment, or comes too late."""
    waits = was.assigned
    if waits is None or waits.confirm_by is None or waits.probe is None or was.sequence != report.sequence:
        return None
    if report.verdict == "failed":
        reason = f"{waits.probe} failed: {report.message}"
        return transitions.expired(was, at=rfc3339(now), reason=reason)
    return transitions.confirmed(was) if now < parse_rfc3339(waits.confirm_by) else None


def _way_back(was: Assignment) -> PersonaRef | None:
    """The data path holds one lease, so a way back has no end of its own."""
    worn = was.assigned
    if worn is None or worn.expires_at is None:
        return worn.persona if worn else None
    if worn.confirm_by is None:
        raise Conflict(
            f"what is worn ends by itself at {worn.expires_at}, and a way back to it would outlive that",
            remedy="wait until then, or first assign without a ttl what is to be the way back",
        )
    return worn.fallback
