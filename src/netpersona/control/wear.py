"""What a workload's stored value becomes when its assignment changes. Pure.

A stored workload is ``{spec, sequence, assignment, previous}``; ``worn`` is ``{persona_id, persona_revision,
persona, follows}`` and an assignment is a worn with times, fallback and sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Stored = Mapping[str, Any]
_WORN_KEYS = ("persona_id", "persona_revision", "persona", "follows")


def worn_of(assignment: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: assignment[key] for key in _WORN_KEYS} if assignment else None


def assigned(
    stored: Stored,
    worn: Mapping[str, Any],
    *,
    sequence: int,
    assigned_at: str,
    expires_at: str | None = None,
    fallback: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The workload wearing ``worn``; what it wore becomes ``previous``.

    The very document that is worn, without an end before and now, starts nothing ``anew``.
    """
    old = stored["assignment"]
    equal = old is not None and old["persona"] == worn["persona"]
    anew = not equal or old["expires_at"] is not None or expires_at is not None
    assignment = {
        **worn,
        "assigned_at": assigned_at,
        "expires_at": expires_at,
        "fallback": fallback,
        "sequence": sequence,
        "anew": anew,
    }
    previous = worn_of(old if anew else None) or stored["previous"]
    return {**stored, "sequence": sequence, "assignment": assignment, "previous": previous}


def released(stored: Stored, *, sequence: int) -> dict[str, Any]:
    """The workload wearing nothing; rollback puts back what it wore."""
    previous = worn_of(stored["assignment"]) or stored["previous"]
    return {**stored, "sequence": sequence, "assignment": None, "previous": previous}


def expired(stored: Stored, *, sequence: int) -> dict[str, Any]:
    """The workload wearing its fallback.

    What expired is no ``previous``: rollback must not bring a trial back for good.
    """
    assignment = stored["assignment"]
    if assignment["fallback"] is None:
        return {**stored, "sequence": sequence, "assignment": None}
    after = assigned(stored, assignment["fallback"], sequence=sequence, assigned_at=assignment["expires_at"])
    return {**after, "previous": stored["previous"]}


def reassigned(
    stored: Stored, persona_id: str, revision: int, persona: Mapping[str, Any], sequence: int
) -> dict[str, Any] | None:
    """The workload wearing the new revision wherever it follows the persona; None if it follows it nowhere.

    Times stay: replacing a persona does not lengthen a trial.
    """
    old = stored["assignment"]
    if old is None:
        return None
    newest = {"persona_revision": revision, "persona": persona}
    wears, falls_back = _follows(old, persona_id), _follows(old["fallback"], persona_id)
    if not wears and not falls_back:
        return None
    assignment = {**old, "sequence": sequence}
    if falls_back:
        assignment["fallback"] = {**old["fallback"], **newest}
    if wears:
        assignment |= {**newest, "anew": True}
    previous = worn_of(old) if wears else stored["previous"]
    return {**stored, "sequence": sequence, "assignment": assignment, "previous": previous}


def _follows(worn: Mapping[str, Any] | None, persona_id: str) -> bool:
    return worn is not None and worn["follows"] and worn["persona_id"] == persona_id
