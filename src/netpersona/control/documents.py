"""Persona documents at the border: whatever spelling came in, canonical JSON goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netpersona.control.problems import Detail, Unprocessable
from netpersona.kinds.persona import (
    Persona,
    PersonaError,
    Problem,
    compile_persona,
    diff,
    from_mapping,
    loads,
    to_mapping,
)


def canonical(data: Any, default_id: str | None = None) -> dict[str, Any]:
    """A document that the data path can enforce, in the canonical spelling.

    ``default_id`` names one that does not name itself.

    Raises:
        Unprocessable: with every problem and its JSON pointer.
    """
    try:
        persona = from_mapping(data, default_id=default_id)
        compile_persona(persona)
    except PersonaError as error:
        raise refused(error) from None
    return to_mapping(persona)


def from_yaml(text: str) -> dict[str, Any]:
    """The one persona of a YAML text. Raises Unprocessable."""
    try:
        found = loads(text, source="body", format="yaml")
    except PersonaError as error:
        raise refused(error) from None
    if len(found) != 1:
        raise Unprocessable(f"the body holds {len(found)} personas", remedy="send one persona per request")
    return to_mapping(found[0])


def refused(error: PersonaError) -> Unprocessable:
    problems = [Detail(p.pointer, _placed(p), p.remedy) for p in error.problems]
    return Unprocessable("the body is no valid persona", errors=problems)


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Sequence[dict[str, Any]]:
    """The plan that leads from one stored document to another; None is no persona."""
    return [
        {"pointer": c.pointer, "before": c.before, "after": c.after, "label": c.label}
        for c in diff(_parsed(before), _parsed(after))
    ]


def plan(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"dry_run": True, "changes": changes(before, after)}


def _parsed(document: Mapping[str, Any] | None) -> Persona | None:
    return None if document is None else from_mapping(dict(document))


def _placed(found: Problem) -> str:
    return found.message if found.line is None else f"line {found.line}: {found.message}"
