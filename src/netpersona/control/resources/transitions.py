"""What becomes of a workload's assignment. Pure: the clock, and what a persona is by now, are passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netpersona.control.store.stored import Assigned, Assignment, PersonaRef

Newest = Callable[[PersonaRef], PersonaRef]
"""What a reference stands for now; one that is pinned, itself."""
Before = Callable[[PersonaRef], PersonaRef | None]
"""The revision that the newest one replaced, pinned."""


def renewed(was: Assignment, newest: Newest, before: Before) -> Assignment:
    """The assignment as it is now: personas that it follows may have been replaced since it was written.

    Times stay: replacing a persona does not lengthen a trial.
    """
    old = was.assigned
    if old is None:
        return was
    persona, fallback = newest(old.persona), old.fallback and newest(old.fallback)
    fresh = persona.edition - old.persona.edition
    later = fallback.edition - old.fallback.edition if fallback and old.fallback else 0
    if not fresh and not later:
        return was
    assigned = replace(old, persona=persona, fallback=fallback, anew=old.anew or bool(fresh))
    previous = before(persona) if fresh else was.previous
    return Assignment(was.sequence + fresh + later, assigned, previous)


def assigned(
    was: Assignment,
    persona: PersonaRef,
    *,
    assigned_at: str,
    expires_at: str | None = None,
    fallback: PersonaRef | None = None,
) -> Assignment:
    """The persona put on; what was worn becomes ``previous``.

    The very document that is worn, without an end before and now, starts nothing ``anew``.
    """
    old = was.assigned
    equal = old is not None and old.persona.digest == persona.digest
    anew = not equal or (old is not None and old.expires_at is not None) or expires_at is not None
    previous = worn(was) if anew else None
    put_on = Assigned(persona, assigned_at, expires_at, fallback, anew)
    return Assignment(was.sequence + 1, put_on, previous or was.previous)


def released(was: Assignment) -> Assignment:
    """Nothing worn; rollback puts back what was."""
    return Assignment(was.sequence + 1, None, worn(was) or was.previous)


def rolled_back(was: Assignment, previous: PersonaRef, *, assigned_at: str) -> Assignment:
    """What was worn before, pinned; a second one undoes the first."""
    return replace(assigned(was, pinned(previous), assigned_at=assigned_at), previous=worn(was))


def expired(was: Assignment) -> Assignment:
    """The fallback worn from the end of the trial on.

    What expired is no ``previous``: rollback must not bring a trial back for good.
    """
    old = was.assigned
    if old is None or old.fallback is None:
        return Assignment(was.sequence + 1, None, was.previous)
    after = assigned(was, old.fallback, assigned_at=old.expires_at or old.assigned_at)
    return replace(after, previous=was.previous)


def worn(was: Assignment) -> PersonaRef | None:
    """What is worn, pinned: as ``previous`` and as a fallback that nobody named it stays what it is."""
    return pinned(was.assigned.persona) if was.assigned else None


def pinned(persona: PersonaRef) -> PersonaRef:
    return PersonaRef(persona.persona_id, persona.revision, persona.digest)
