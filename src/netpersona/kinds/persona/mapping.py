"""Personas from and to plain mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from netpersona.kinds.errors import InvalidDocument, KeyPath, Problem, pointer
from netpersona.kinds.persona.model import Persona, from_origin
from netpersona.kinds.persona.problems import problems_of
from netpersona.kinds.persona.spellings import translate
from netpersona.kinds.units import shown

Locate = Callable[[KeyPath], tuple[int, int] | None]


def from_mapping(
    data: object, *, source: str | None = None, default_id: str | None = None, locate: Locate | None = None
) -> Persona:
    """Read a document in any of the three spellings.

    `default_id` names a document that does not name itself; `source` and `locate` (line and column of a
    path, counted from 1) say in errors where it came from. Raises InvalidDocument with every problem found.
    """
    persona, found = _read(data, default_id)
    if persona is not None and not found:
        return persona
    placed = [_placed(path, problem, source, locate) for path, problem in dict.fromkeys(found)]
    raise InvalidDocument(sorted(placed, key=lambda problem: (problem.line or 0, problem.column or 0)))


def _read(data: object, default_id: str | None) -> tuple[Persona | None, list[tuple[KeyPath, Problem]]]:
    if not isinstance(data, Mapping):
        given = "text" if isinstance(data, str) else shown(data)  # whatever file it is, it stays there
        problem = Problem(f"{given} is not a persona", "write a mapping of keys, as in persona_id: voip")
        return None, [((), problem)]
    translation = translate(data, default_id)
    if translation.problems and not translation.document:
        return None, translation.problems
    try:
        persona = Persona.model_validate(translation.document)
        return from_origin(persona, tuple(translation.notes)), translation.problems
    except ValidationError as error:
        found = problems_of(error, translation.document, translation.known)
        written = [(translation.source(path), problem) for path, problem in found]
        rest = [(path, replace(problem, pointer=pointer(path))) for path, problem in written]
        return None, [*translation.problems, *rest]


def _placed(path: KeyPath, problem: Problem, source: str | None, locate: Locate | None) -> Problem:
    place = locate(path) if locate else None
    line, column = place or (None, None)
    return replace(problem, file=source, line=line, column=column)


def to_mapping(persona: Persona) -> dict[str, Any]:
    """The canonical document, JSON-able; keys at their default are left out."""
    return persona.model_dump(mode="json", exclude_defaults=True)
