"""What the store keeps of a workload's assignment: references to personas, never their documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from netpersona.control.store.protocol import DOCUMENTS
from netpersona.kinds.kind import Ref

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex: equal for equal documents, whatever the order of their keys."""
    return sha256(_canonical(document).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PersonaRef:
    """A persona as an assignment names it.

    One that `follows` stands for the newest revision; `revision`, `digest` and `edition`, the number of that
    revision counted from 1, are what was the newest when this was written. One that is pinned stands for the
    document of its digest. `revision` is 0 for a preset.
    """

    persona_id: str
    revision: int
    digest: str
    follows: bool = False
    edition: int = 0


@dataclass(frozen=True, slots=True)
class Assigned:
    """What is worn from when to when (RFC 3339), and what comes after."""

    persona: PersonaRef
    assigned_at: str
    expires_at: str | None = None
    fallback: PersonaRef | None = None
    anew: bool = True
    confirm_by: str | None = None
    """Until when somebody has to confirm it, which is when it expires; None: nobody has to."""
    disruptive: bool = False
    """Whether the link may go down for settings of the interface."""
    probe: str | None = None
    """What its agent asks meanwhile, to confirm it or to take it back (`kinds/probe.py`)."""


@dataclass(frozen=True, slots=True)
class Reverted:
    """What went back by itself, when (RFC 3339) and why."""

    persona_id: str
    revision: int
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a workload wears and wore; `sequence` rises with every change of it."""

    sequence: int
    assigned: Assigned | None = None
    previous: PersonaRef | None = None
    reverted: Reverted | None = None
    """Of the last change, if it was made because nobody confirmed the one before."""

    def put(self, value: Mapping[str, Any]) -> AssignedValue:
        """A stored workload with this assignment."""
        return AssignedValue(value, self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Assignment:
        """From a stored workload."""
        if isinstance(value, AssignedValue):
            return value.assignment
        reverted = value.get("reverted")
        return cls(
            value["sequence"],
            _assigned(value["assignment"]),
            _reference(value["previous"]),
            Reverted(**reverted) if reverted else None,
        )

    def references(self) -> Iterator[Ref]:
        """Personas that are worn now or afterwards, and documents that must be kept."""
        used = [self.assigned.persona, self.assigned.fallback] if self.assigned else []
        for persona in used:
            if persona is not None and persona.revision:
                yield Ref("personas", persona.persona_id, must_exist=persona.follows)
        for persona in (*used, self.previous):
            if persona is not None and (persona is self.previous or not persona.follows):
                yield Ref(DOCUMENTS, persona.digest)


class AssignedValue(dict[str, Any]):
    """The JSON of a stored workload that remembers what its assignment was written from."""

    __slots__ = ("assignment",)

    def __init__(self, value: Mapping[str, Any], assignment: Assignment) -> None:
        super().__init__(value)
        self.assignment = assignment
        self["sequence"] = assignment.sequence
        self["assignment"] = _written(assignment.assigned)
        self["previous"] = _named(assignment.previous)
        if assignment.reverted is not None:
            self["reverted"] = asdict(assignment.reverted)
        elif "reverted" in self:
            del self["reverted"]


def _written(assigned: Assigned | None) -> dict[str, Any] | None:
    """What ``_assigned`` reads; ``dataclasses.asdict`` takes twenty times as long."""
    if assigned is None:
        return None
    written = {
        "persona": _named(assigned.persona),
        "assigned_at": assigned.assigned_at,
        "expires_at": assigned.expires_at,
        "fallback": _named(assigned.fallback),
        "anew": assigned.anew,
    }
    if assigned.confirm_by is not None:
        written |= {"confirm_by": assigned.confirm_by, "probe": assigned.probe}
    if assigned.disruptive:
        written["disruptive"] = True
    return written


def _named(persona: PersonaRef | None) -> dict[str, Any] | None:
    if persona is None:
        return None
    return {
        "persona_id": persona.persona_id,
        "revision": persona.revision,
        "digest": persona.digest,
        "follows": persona.follows,
        "edition": persona.edition,
    }


def _assigned(value: Mapping[str, Any] | None) -> Assigned | None:
    if value is None:
        return None
    persona, fallback = PersonaRef(**value["persona"]), _reference(value["fallback"])
    return Assigned(
        persona,
        value["assigned_at"],
        value["expires_at"],
        fallback,
        value["anew"],
        value.get("confirm_by"),
        bool(value.get("disruptive")),
        value.get("probe"),
    )


def _reference(value: Mapping[str, Any] | None) -> PersonaRef | None:
    return PersonaRef(**value) if value else None
