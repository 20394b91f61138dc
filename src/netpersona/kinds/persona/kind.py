"""Personas and presets, declared as kinds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from netpersona.kinds.base import Told
from netpersona.kinds.kind import Column, Kind, Nothing, Resource, Section, name_column
from netpersona.kinds.moments import dated
from netpersona.kinds.persona.compile import compile_persona
from netpersona.kinds.persona.diffs import diff
from netpersona.kinds.persona.explain import explain
from netpersona.kinds.persona.mapping import from_mapping, to_mapping
from netpersona.kinds.persona.model import Persona


class PersonaState(Told):
    """Who uses a persona."""

    in_use_by: tuple[str, ...] = Field((), description="Workloads that wear it now or fall back to it")
    written_for: str | None = Field(
        None,
        description="The workload that it was written for: it is deleted once nothing refers to it",
    )


def _read(data: object, default_name: str | None = None, /) -> tuple[str, Persona]:
    persona = from_mapping(data, default_id=default_name)
    return persona.persona_id, persona


def _check(persona: Persona) -> Sequence[str]:
    return compile_persona(persona).warnings


def _description(resource: Resource[Persona, Any], _: datetime) -> str:
    """On one line."""
    return " ".join(str(resource.document.get("description") or "").split())


def _users(resource: Resource[Persona, PersonaState], _: datetime) -> str:
    return ",".join(resource.state.in_use_by) or "-"


def _describe(resource: Resource[Persona, PersonaState], now: datetime) -> tuple[Section, ...]:
    if resource.updated_at is None:
        fields = [("revision", f"{resource.revision}, not the newest")]
    else:
        written = f"{resource.revision}, written {dated(resource.updated_at, now)}"
        fields = [("revision", written), ("in use by", ", ".join(resource.state.in_use_by) or "nothing")]
        if resource.state.written_for:
            fields.append(("written for", f"{resource.state.written_for}; deleted once nothing wears it"))
    return _explained(resource, *fields)


def _describe_preset(resource: Resource[Persona, Nothing], _: datetime) -> tuple[Section, ...]:
    return _explained(resource, ("revision", "none: a preset, which comes with netpersona"))


def _explained(resource: Resource[Persona, Any], *fields: tuple[str, str]) -> tuple[Section, ...]:
    text = str(explain(resource.spec)).rstrip("\n")
    return Section(f"persona {resource.name}", fields), Section("", text=text)


PERSONA: Kind[Persona, PersonaState] = Kind(
    noun="persona",
    plural="personas",
    id_key="persona_id",
    doc="How the network of a workload behaves.",
    spec=Persona,
    state=PersonaState,
    read=_read,
    write=to_mapping,
    check=_check,
    plan=diff,
    example={
        "persona_id": "slow",
        "egress": {"latency": "50ms"},
        "ingress": {"latency": "50ms", "jitter": "5ms", "loss": "1%"},
    },
    columns=(
        name_column(),
        Column("REVISION", lambda persona, _: str(persona.revision)),
        Column("IN USE BY", _users),
        Column("DESCRIPTION", _description),
    ),
    describe=_describe,
    empty="no personas; `netpersona apply -f FILE` stores some",
)

PRESET: Kind[Persona, Nothing] = Kind(
    noun="preset",
    plural="presets",
    id_key="persona_id",
    doc="A persona that comes with netpersona; any may be assigned by its name.",
    spec=Persona,
    state=Nothing,
    read=_read,
    write=to_mapping,
    check=_check,
    plan=diff,
    example=PERSONA.example,
    verbs=frozenset(),
    columns=(name_column(), Column("DESCRIPTION", _description)),
    describe=_describe_preset,
    empty="no presets",
)
