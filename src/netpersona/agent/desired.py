"""What the manager wants of this host: its workload documents as frozen values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


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
    allow_disruptive: bool = False
    probe: str | None = None
    """What confirms it or takes it back until it ends (`kinds/probe.py`)."""


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


def parse_workload(document: Mapping[str, Any]) -> Workload:
    """Read what the journal keeps (`Workload.document`). Raises DocumentError that names the key."""
    return _read(document, _assignment)


def wanted_workload(line: Mapping[str, Any], documents: Mapping[str, str], now: datetime) -> Workload:
    """Read a line of the host's feed (`kinds/wanted.py`); `documents` are canonical texts by digest.

    Times that were left when the line came become moments of this host's clock. Raises DocumentError that
    names the key.
    """

    def reference(told: Mapping[str, Any]) -> PersonaReference:
        return PersonaReference(
            str(told["persona_id"]), int(told["persona_revision"]), documents[told["digest"]]
        )

    def assignment(told: Mapping[str, Any]) -> Assignment:
        persona, left_ms, fallback = reference(told), told.get("remaining_ms"), told.get("fallback")
        expires_at = None if left_ms is None else now + timedelta(milliseconds=left_ms)
        disruptive = bool(told.get("allow_disruptive"))
        after, probe = reference(fallback) if fallback else None, _text(told.get("probe"))
        return Assignment(persona, expires_at, after, disruptive, probe)

    return _read(line, assignment)


def _read(document: Mapping[str, Any], assignment_of: Callable[[Any], Assignment]) -> Workload:
    try:
        return _workload(document, assignment_of)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DocumentError(f"workload {document.get('workload_id', '?')}: cannot read {error!r}") from error


def _workload(document: Mapping[str, Any], assignment_of: Callable[[Any], Assignment]) -> Workload:
    workload_id, sequence = str(document["workload_id"]), int(document["sequence"])
    spec, told = document["spec"], document.get("assignment")
    assignment = assignment_of(told) if told else None
    return Workload(
        workload_id=workload_id,
        kind=str(spec["kind"]),
        host=str(spec["host"]),
        netns=spec.get("netns"),
        interface=_interface(spec),
        facing=str(spec.get("facing") or "auto"),
        allow_management=bool(spec.get("allow_management")),
        assignment=assignment,
        sequence=sequence,
        document=_text_of(workload_id, spec, assignment, sequence),
        container=_text(spec.get("container")),
        domain=_text(spec.get("domain")),
        labelled=bool(spec.get("labelled")),
    )


def _text_of(workload_id: str, spec: Mapping[str, Any], assignment: Assignment | None, sequence: int) -> str:
    """What `parse_workload` reads. Documents, which may be long, are text already."""
    worn = _assignment_text(assignment) if assignment else "null"
    head = f'{{"workload_id":{_json(workload_id)},"sequence":{sequence},"spec":{_json(spec)}'
    return f'{head},"assignment":{worn}}}'


def _assignment_text(assignment: Assignment) -> str:
    expires_at = assignment.expires_at.isoformat() if assignment.expires_at else None
    fallback = f"{{{_reference_text(assignment.fallback)}}}" if assignment.fallback else "null"
    worn = _reference_text(assignment.persona)
    allowed = ',"allow_disruptive":true' if assignment.allow_disruptive else ""
    probe = f',"probe":{_json(assignment.probe)}' if assignment.probe else ""
    return f'{{{worn},"expires_at":{_json(expires_at)},"fallback":{fallback}{allowed}{probe}}}'


def _reference_text(persona: PersonaReference) -> str:
    named = f'"persona_id":{_json(persona.persona_id)},"persona_revision":{persona.revision}'
    return f'{named},"persona":{persona.document}'


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
        allow_disruptive=bool(document.get("allow_disruptive")),
        probe=_text(document.get("probe")),
    )


def _reference(document: Mapping[str, Any]) -> PersonaReference:
    text = canonical_text(document["persona"])
    return PersonaReference(str(document["persona_id"]), int(document.get("persona_revision") or 0), text)


# Made once: json.dumps makes an encoder a call.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_json = json.JSONEncoder(separators=(",", ":")).encode


def canonical_text(persona: Mapping[str, Any]) -> str:
    """Equal for equal documents, whatever the order of their keys."""
    return _canonical(persona)


def _instant(text: str) -> datetime:
    """RFC 3339; a time without an offset is refused rather than guessed at."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text}: no UTC offset")
    return instant
