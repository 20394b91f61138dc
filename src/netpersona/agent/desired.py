"""What the manager wants of this host: its workload documents as frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from netpersona.kinds.wanted import WantedAssignment, WantedPersona, WantedWorkload


class DocumentError(ValueError):
    """The manager sent a document this agent cannot read: upgrade the older of the two."""


@dataclass(frozen=True)
class PersonaReference:
    """One persona revision as an assignment carries it. `document` is canonical JSON text."""

    persona_id: str
    revision: int
    document: str


@dataclass(frozen=True)
class Assignment:
    """What a workload is assigned, until when (UTC wall clock), and what comes after."""

    persona: PersonaReference
    expires_at: datetime | None = None
    fallback: PersonaReference | None = None


def references(assignment: Assignment | None) -> list[PersonaReference]:
    """The personas that an assignment names."""
    return [persona for persona in (assignment.persona, assignment.fallback) if persona] if assignment else []


@dataclass(frozen=True)
class Workload:
    """A workload of this host. `facing` is `auto`, `workload` or `network`.

    `sequence` rises with every assignment and release. `document` is JSON text from which
    `parse_workload` makes this value again.
    """

    workload_id: str
    kind: str
    host: str
    netns: str | None
    interface: str | None
    facing: str
    allow_management: bool
    assignment: Assignment | None
    sequence: int
    document: str
    container: str | None = None
    domain: str | None = None
    labelled: bool = False

    @property
    def place(self) -> tuple[str | bool | None, ...]:
        """What decides where it is attached; a change moves the attachment."""
        where = (self.netns, self.container, self.domain, self.interface)
        return (*where, self.facing, self.allow_management)


_KEYS = ("workload_id", "spec", "assignment", "sequence")


def parse_workload(document: Mapping[str, Any]) -> Workload:
    """Read a workload resource. Raises DocumentError that names the key."""
    try:
        return _workload(document)
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(f"workload {document.get('workload_id', '?')}: cannot read {error!r}") from error


def resolve(wanted: Mapping[str, Any], documents: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What `parse_workload` and the journal read, of a line of the host's feed (`kinds/wanted.py`).

    Documents are put in place of digests, and times that were left when the line came become moments of this
    host's clock. Raises DocumentError that names the key.
    """
    try:
        line = WantedWorkload.model_validate(wanted)
        assignment = line.assignment and _resolved(line.assignment, documents, now)
    except (KeyError, ValueError) as error:
        raise DocumentError(f"workload {wanted.get('workload_id', '?')}: cannot read {error!r}") from error
    return {
        "workload_id": line.workload_id,
        "spec": line.spec,
        "assignment": assignment,
        "sequence": line.sequence,
    }


def _resolved(assignment: WantedAssignment, documents: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    left_ms, fallback = assignment.remaining_ms, assignment.fallback
    return {
        **_persona(assignment, documents),
        "expires_at": None if left_ms is None else (now + timedelta(milliseconds=left_ms)).isoformat(),
        "fallback": _persona(fallback, documents) if fallback else None,
    }


def _persona(persona: WantedPersona, documents: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "persona_id": persona.persona_id,
        "persona_revision": persona.persona_revision,
        "persona": documents[persona.digest],
    }


def _workload(document: Mapping[str, Any]) -> Workload:
    spec = document["spec"]
    assignment = document.get("assignment")
    return Workload(
        workload_id=str(document["workload_id"]),
        kind=str(spec["kind"]),
        host=str(spec["host"]),
        netns=spec.get("netns"),
        interface=_interface(spec),
        facing=str(spec.get("facing") or "auto"),
        allow_management=bool(spec.get("allow_management")),
        assignment=_assignment(assignment) if assignment else None,
        sequence=int(document["sequence"]),
        document=json.dumps({key: document.get(key) for key in _KEYS}),
        container=_text(spec.get("container")),
        domain=_text(spec.get("domain")),
        labelled=bool(spec.get("labelled")),
    )


def _interface(spec: Mapping[str, Any]) -> str | None:
    """May be left out of what is found by name."""
    named = spec.get("container") is not None or spec.get("domain") is not None
    return _text(spec.get("interface")) if named else str(spec["interface"])


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _assignment(document: Mapping[str, Any]) -> Assignment:
    expires_at = document.get("expires_at")
    fallback = document.get("fallback")
    return Assignment(
        persona=_reference(document),
        expires_at=_instant(expires_at) if expires_at else None,
        fallback=_reference(fallback) if fallback else None,
    )


def _reference(document: Mapping[str, Any]) -> PersonaReference:
    text = canonical_text(document["persona"])
    return PersonaReference(str(document["persona_id"]), int(document.get("persona_revision") or 0), text)


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical_text(persona: Mapping[str, Any]) -> str:
    """Equal for equal documents, whatever the order of their keys."""
    return _canonical(persona)


def _instant(text: str) -> datetime:
    """RFC 3339; a time without an offset is refused rather than guessed at."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text}: no UTC offset")
    return instant
