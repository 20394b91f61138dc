"""What becomes of a workload's assignment. Pure: the clock, and what a persona is by now, are passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netpersona.control.store.stored import Assigned, Assignment, PersonaRef, Reverted

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
    return Assignment(was.sequence + fresh + later, assigned, previous, was.reverted)


def assigned(
    was: Assignment,
    persona: PersonaRef,
    *,
    assigned_at: str,
    expires_at: str | None = None,
    fallback: PersonaRef | None = None,
    confirm: bool = False,
    probe: str | None = None,
    disruptive: bool = False,
) -> Assignment:
    """The persona put on; what was worn becomes ``previous``. ``confirm``: until somebody does, it expires.

    The very document that is worn, without an end before and now, starts nothing ``anew``.
    """
    old = was.assigned
    equal = old is not None and old.persona.digest == persona.digest
    anew = not equal or (old is not None and old.expires_at is not None) or expires_at is not None
    previous = worn(was) if anew else None
    put_on = Assigned(
        persona,
        assigned_at,
        expires_at,
        fallback,
        anew,
        expires_at if confirm else None,
        disruptive,
        probe,
    )
    return Assignment(was.sequence + 1, put_on, previous or was.previous)


def released(was: Assignment) -> Assignment:
    """Nothing worn; rollback puts back what was."""
    return Assignment(was.sequence + 1, None, worn(was) or was.previous)


def rolled_back(was: Assignment, previous: PersonaRef, *, assigned_at: str) -> Assignment:
    """What was worn before, pinned; a second one undoes the first."""
    return replace(assigned(was, pinned(previous), assigned_at=assigned_at), previous=worn(was))


def confirmed(was: Assignment) -> Assignment:
    """What is worn stays: its end is taken away, and nothing else."""
    old = was.assigned
    stays = old and replace(old, expires_at=None, fallback=None, confirm_by=None, probe=None)
    return Assignment(was.sequence + 1, stays, was.previous)


def expired(was: Assignment, *, at: str | None = None, reason: str = "not confirmed in time") -> Assignment:
    """The fallback worn from the end of the trial on, or from ``at``.

    ``reason`` is told of what had to be confirmed.

    What expired is no ``previous``: rollback must not bring a trial back for good.
    """
    old = was.assigned
    if old is None:
        return Assignment(was.sequence + 1, None, was.previous)
    ended = at or old.expires_at or old.assigned_at
    told = Reverted(old.persona.persona_id, old.persona.revision, ended, reason) if old.confirm_by else None
    if old.fallback is None:
        return Assignment(was.sequence + 1, None, was.previous, told)
    after = assigned(was, old.fallback, assigned_at=ended)
    return replace(after, previous=was.previous, reverted=told)


def worn(was: Assignment) -> PersonaRef | None:
    """What is worn, pinned: as ``previous`` and as a fallback that nobody named it stays what it is."""
    return pinned(was.assigned.persona) if was.assigned else None


def pinned(persona: PersonaRef) -> PersonaRef:
    return PersonaRef(persona.persona_id, persona.revision, persona.digest)
